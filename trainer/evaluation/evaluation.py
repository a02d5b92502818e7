"""Evaluation of a trained model on one split."""

import hashlib
import io
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pipeline.console.terminal import say
from tfrecords_schema import DatasetError, LabelSpec
from tfrecords_schema.names import join
from tfrecords_schema.storage import remove, replace_together
from trainer.data.split_data import SplitData
from trainer.evaluation.apart import predictions_apart
from trainer.evaluation.calibration_figures import calibration_figures
from trainer.evaluation.evaluation_table import evaluation_text, measured, stem
from trainer.evaluation.group_sums import RESAMPLES, GroupSums, one_group
from trainer.evaluation.kinds import scored_kind
from trainer.evaluation.predictions import Predictions, file_name, predict_split
from trainer.metrics.table import apart, better_mode
from trainer.runs.calibration import Calibration
from trainer.step.steps import Steps

# Up to so many values of a split are printed themselves.
_MAX_LISTED_VALUES = 10
_MAX_LISTED_GROUPS = 1_000
_SHOWN_GROUPS = 100


def run(
    steps: Steps,
    split: SplitData,
    train: SplitData | None,
    *,
    about: Mapping[str, str],
    other_data: str,
    unchanged: Callable[[], None],
    run_dir: str,
    for_report: bool,
    seen: dict[str, Any],
    decided: bool = False,
    calibration: Calibration | None = None,
) -> None:
    """Evaluates a split, prints the figures, and writes them into the run folder.

    Writes `predictions-<stem>.npz`, `evaluation-<stem>.json` and, of very many classes or groups,
    `evaluation-<stem>.npz` with all of them; the stem is the split, behind the name of another
    dataset than that of the run. A label of which nothing is known in the split is left out, which
    is said.

    Args:
      steps: holds the trained model.
      split: what to evaluate.
      train: the training split, for the baseline; without it what needs it is left out.
      about: what names the dataset of the recordings (the split's may hold features of them), and
        the weights.
      other_data: see `run_folder.other_data`.
      unchanged: raises where the dataset changed while it was read; nothing is written then.
      run_dir: folder of the run.
      for_report: whether beginnings of some records are predicted as well, for its pictures.
      seen: see `TrainedOn.seen`.
      decided: whether it is a test split, and the training chose its weights by it.
      calibration: what the steps read outputs by, if anything was chosen.

    Raises:
      DatasetError: if a prediction is not finite: no class, and no figure, would follow from it.
    """
    label = split.known_label
    predictions = predict_split(steps, split, label, with_prefixes=for_report)
    require_finite(predictions, split.name, split.index.ids())
    unchanged()
    for head, found in predictions_apart(predictions, label):
        result: dict[str, Any] = {"split": split.name, **about}
        result |= {"other_data": other_data} if other_data else {}
        result |= {"label": head.name} if head.name else {}
        if not len(found.label):
            say(f"{measured(result)}: no label of it is known, so there are no figures of it\n")
            continue
        result |= {"trained_on": seen, "decided_by_it": decided}
        found = scored_kind(head.label.kind).decided(found, steps.task.reading)
        own, of_training = split, train
        if head.name:
            own, of_training = split.of_head(head), train and train.of_head(head)
        result |= _measured(found, own, of_training, calibration)
        _write(run_dir, result, found)
        say(evaluation_text(result))


def _measured(
    predictions: Predictions,
    split: SplitData,
    train: SplitData | None,
    calibration: Calibration | None,
) -> dict[str, Any]:
    """The figures of a split of one label."""
    label = split.known_label
    missing = split.dataset.manifest.splits[split.name].missing_labels
    result: dict[str, Any] = {"missing_labels": missing} if missing else {}
    result |= evaluate(predictions, label, split.index.groups())
    if calibration:
        result["calibration"] = calibration_figures(calibration, predictions, label)
    result["baselines"] = scored_kind(label.kind).baselines(predictions.label, split, train)
    result["baseline"] = next(iter(result["baselines"]), {})
    if predictions.prediction.size <= _MAX_LISTED_VALUES and not label.class_names:
        result["predicted"] = _in_order_of_ids(predictions, split.index.ids())
    return result


def require_finite(predictions: Predictions, split: str, ids: list[str]) -> None:
    """Refuses predictions that are not finite.

    Raises:
      DatasetError: if there are any; the message names the first record.
    """
    bad = ~np.isfinite(predictions.prediction).all(-1)
    if bad.any():
        of_label = np.repeat(predictions.record, predictions.lengths)
        records = np.unique(of_label[bad])
        raise DatasetError(
            f"what the model answers is not finite for {len(records)} of {len(predictions.record)} "
            f"records of split {split!r}, the first is {ids[records[0]]!r}; look for values far "
            "beyond the others there, repair or remove it, convert again, and evaluate"
        )


def _write(run_dir: str, result: dict[str, Any], predictions: Predictions) -> None:
    """Writes the files of an evaluation, in which an npz has what is too much for JSON, if any."""
    name, content = stem(result), predictions.content()
    path, files = join(run_dir, f"evaluation-{name}"), {join(run_dir, file_name(name)): content}
    result["predictions"] = hashlib.sha256(content).hexdigest()
    rest = result.pop("rest", {})
    if rest:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **rest)
        files[f"{path}.npz"] = buffer.getvalue()
    files[f"{path}.json"] = (json.dumps(result, indent=1) + "\n").encode()
    replace_together(files)
    if not rest:
        remove(f"{path}.npz")


def _in_order_of_ids(predictions: Predictions, ids: list[str]) -> list[float]:
    parts = np.split(predictions.prediction, np.cumsum(predictions.lengths)[:-1])
    by_id = sorted(zip((ids[row] for row in predictions.record), parts, strict=True))
    return [float(value) for _, part in by_id for value in part.ravel()]


def evaluate(predictions: Predictions, label: LabelSpec, groups: list[str]) -> dict[str, Any]:
    """Metrics over all records, with intervals; per group; per class or per component.

    Args:
      predictions: of the split.
      label: what is predicted.
      groups: group of each record of the split.

    Returns:
      What JSON can hold, and as `rest`, if any, arrays of what is left out of that by its size.
    """
    # Names of groups once for each record: of every label they would take more than its data.
    names, of_record = np.unique([groups[row] for row in predictions.record], return_inverse=True)
    of_label = np.repeat(of_record, predictions.lengths)
    truth, prediction = predictions.label, predictions.prediction
    kind = scored_kind(label.kind)
    sums = GroupSums(label.kind, truth, prediction, of_label, predictions.answer)
    listed, rest = _of_groups(sums, names)
    of_units, every = kind.units(predictions, label)
    more = kind.more(predictions, label)
    rest |= every | more.arrays
    return {
        "records": len(predictions.record),
        "labels": len(predictions.label),
        "metrics": sums.total() | more.figures,
        "intervals": sums.intervals(),
        "bootstrap_resamples": RESAMPLES,
        **listed,
        **of_units,
        **more.listed,
        **({"rest": rest} if rest else {}),
    }


def figure_of_split(name: str, steps: Steps, split: SplitData) -> float:
    """One metric of a model as it is now, by predicting a split; NaN where nothing can be said."""
    label = split.known_label
    found = predict_split(steps, split, label, with_prefixes=False)
    if not np.isfinite(found.prediction).all():
        return math.nan
    of_label, name = apart(name)
    if of_label:
        every = {head.name: (head.label, own) for head, own in predictions_apart(found, label)}
        label, found = every[of_label]
    if not len(found.label):
        return math.nan
    figures = one_group(label.kind, found.label, found.prediction).total()
    if name not in figures:
        figures |= scored_kind(label.kind).ranked(found.label, found.prediction)
    return figures.get(name, math.nan)


def _of_groups(sums: GroupSums, names: np.ndarray) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The figures of groups; of very many those of the worst and the largest, and all as arrays."""
    number = len(sums.names)
    if number <= _MAX_LISTED_GROUPS:
        every = sums.per_group()
        return {"groups": {str(names[at]): row for at, row in every.items()}}, {}
    metric, columns = sums.headlines()
    sign = 1 if better_mode(metric) == "max" else -1
    worst = np.argsort(sign * columns[metric], kind="stable")[:_SHOWN_GROUPS]
    largest = np.argsort(-columns["labels"], kind="stable")[:_SHOWN_GROUPS]
    chosen = np.concatenate([worst, largest[~np.isin(largest, worst)]])
    few = {str(names[at]): row for at, row in sums.per_group(chosen).items()}
    arrays = {f"group_{name}": values for name, values in columns.items()}
    return {"groups": few, "group_count": number}, {"group_names": names[sums.names], **arrays}

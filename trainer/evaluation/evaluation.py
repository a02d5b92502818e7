"""Evaluation of a trained model on one split."""

import dataclasses
import io
import json
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.batches.deal import NO_RECORD
from pipeline.batches.valid_labels import label_lengths, unpadded
from tfrecords_schema import LabelSpec
from tfrecords_schema.names import join
from tfrecords_schema.storage import atomic_write
from trainer.data.split_data import SplitData, plan_of_one
from trainer.evaluation.baselines import baselines
from trainer.evaluation.evaluation_table import evaluation_text
from trainer.evaluation.group_sums import RESAMPLES, GroupSums, rows
from trainer.metrics.metric import ratio
from trainer.step.steps import Steps

_PREFIX_RECORDS = 6
_PREFIXES = 60
# Up to so many values of a split are printed themselves.
_MAX_LISTED_VALUES = 10


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Predictions of a split, in the order of its index.

    Attributes:
      record: `[records]` int32, row number in the split's index.
      lengths: `[records]` int32, predicted steps of each record (1 for one label per record).
      label: `[sum of lengths, ...]` true labels.
      prediction: `[sum of lengths, units]` float32 probabilities or values.
    """

    record: np.ndarray
    lengths: np.ndarray
    label: np.ndarray
    prediction: np.ndarray


def run(
    steps: Steps, split: SplitData, train: SplitData | None, *, fingerprint: str, run_dir: str
) -> None:
    """Evaluates a split, prints the figures, and writes them into the run folder.

    Writes `predictions-<split>.npz` and `evaluation-<split>.json`.

    Args:
      steps: holds the trained model.
      split: what to evaluate.
      train: the training split, for the baseline; without it what needs it is left out.
      fingerprint: of the dataset of the recordings; the split's may hold features of them.
      run_dir: folder of the run.
    """
    label = split.label
    assert label is not None
    predictions = predict_split(steps, split, label)
    about = {"split": split.name, "dataset_fingerprint": fingerprint}
    result = {**about, **evaluate(predictions, label, split.index.groups())}
    result["baselines"] = baselines(predictions.label, split, train)
    result["baseline"] = next(iter(result["baselines"]), {})
    if predictions.prediction.size <= _MAX_LISTED_VALUES and label.kind == "value":
        result["predicted"] = _in_order_of_ids(predictions, split.index.ids())
    arrays = dataclasses.asdict(predictions)
    if label.per == "record":
        arrays.update(prefix_predictions(steps, split))
    _write(run_dir, split.name, result, arrays)
    print(evaluation_text(result))


def _in_order_of_ids(predictions: Predictions, ids: list[str]) -> list[float]:
    parts = np.split(predictions.prediction, np.cumsum(predictions.lengths)[:-1])
    by_id = sorted(zip((ids[row] for row in predictions.record), parts, strict=True))
    return [float(value) for _, part in by_id for value in part.ravel()]


def predict_split(steps: Steps, split: SplitData, label: LabelSpec) -> Predictions:
    """Predicts every record of a split, without padding in the result."""
    found: dict[int, tuple[np.ndarray, ...]] = {}
    for batch in split.in_order():
        lengths = label_lengths(batch, label).numpy()
        columns = batch["label"].numpy(), steps.predict(batch).numpy()
        parts = zip(*(unpadded(values, lengths, label) for values in columns), strict=True)
        found.update(zip(batch["record"].numpy().tolist(), parts, strict=True))
    found.pop(NO_RECORD, None)
    order = sorted(found)
    labels, predictions = zip(*(found[row] for row in order), strict=True)
    return Predictions(
        record=np.array(order, np.int32),
        lengths=np.array([len(part) for part in labels], np.int32),
        label=np.concatenate(labels),
        prediction=np.concatenate(predictions),
    )


def prefix_predictions(steps: Steps, split: SplitData) -> dict[str, np.ndarray]:
    """How the prediction of a whole recording changes as more of it is seen.

    The first few records of the split are predicted from prefixes of them, at up to 60 lengths.

    Returns:
      `prefix_record` and `prefix_steps`, `[k]` int32: row number and length of each prefix;
      `prefix_prediction`, `[k, units]` float32.
    """
    records, lengths, predictions = [], [], []
    for number in range(min(_PREFIX_RECORDS, len(split.index))):
        batch = next(iter(split.read(plan_of_one(split, number))))
        steps_in_record = int(batch["lengths"][0])
        for prefix in np.unique(np.linspace(1, steps_in_record, _PREFIXES).astype(np.int32)):
            records.append(number)
            lengths.append(prefix)
            predictions.append(steps.predict({**batch, "lengths": tf.constant([prefix])}).numpy())
    return {
        "prefix_record": np.array(records, np.int32),
        "prefix_steps": np.array(lengths, np.int32),
        "prefix_prediction": np.concatenate(predictions),
    }


def evaluate(predictions: Predictions, label: LabelSpec, groups: list[str]) -> dict[str, Any]:
    """Metrics over all records, with intervals; per group; per class or per component.

    Args:
      predictions: of the split.
      label: what is predicted.
      groups: group of each record of the split.
    """
    of_label = np.repeat([groups[row] for row in predictions.record], predictions.lengths)
    sums = GroupSums.of(label.kind, predictions.label, predictions.prediction, of_label)
    if label.kind == "class":
        details = _of_classes(predictions, label)
    else:
        details = {"per_component": sums.per_component()}
    return {
        "records": len(predictions.record),
        "labels": len(predictions.label),
        "metrics": sums.total(),
        "intervals": sums.intervals(),
        "bootstrap_resamples": RESAMPLES,
        "groups": sums.per_group(),
        **details,
    }


def _of_classes(predictions: Predictions, label: LabelSpec) -> dict[str, Any]:
    """Counts by true class (rows) and predicted class (columns), and figures of each class.

    A figure is 0 where there is nothing to divide by: a class that is never predicted has
    precision 0.
    """
    classes = len(label.class_names)
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (predictions.label, predictions.prediction.argmax(-1)), 1)
    right, true, predicted = np.diag(counts), counts.sum(1), counts.sum(0)
    figures = {
        "precision": ratio(right, predicted),
        "recall": ratio(right, true),
        "f1": ratio(2 * right, true + predicted),
        "support": true,
    }
    return {
        "per_class": dict(zip(label.class_names, rows(figures), strict=True)),
        "class_names": list(label.class_names),
        "confusion": counts.tolist(),
    }


def _write(run_dir: str, split: str, result: dict[str, Any], arrays: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    atomic_write(join(run_dir, f"predictions-{split}.npz"), buffer.getvalue())
    text = json.dumps(result, indent=1) + "\n"
    atomic_write(join(run_dir, f"evaluation-{split}.json"), text.encode())

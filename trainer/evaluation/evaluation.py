"""Evaluation of a trained model on one split."""

import json
from typing import Any

import numpy as np

from pipeline.console.terminal import say
from tfrecords_schema import LabelSpec
from tfrecords_schema.names import join
from tfrecords_schema.storage import atomic_write
from trainer.data.split_data import SplitData
from trainer.evaluation.baselines import baselines
from trainer.evaluation.evaluation_table import evaluation_text
from trainer.evaluation.group_sums import RESAMPLES, GroupSums, rows
from trainer.evaluation.predictions import Predictions, predict_split
from trainer.metrics.metric import ratio
from trainer.step.steps import Steps

# Up to so many values of a split are printed themselves.
_MAX_LISTED_VALUES = 10


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
    predictions.write(run_dir, split.name)
    text = json.dumps(result, indent=1) + "\n"
    atomic_write(join(run_dir, f"evaluation-{split.name}.json"), text.encode())
    say(evaluation_text(result))


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
    """
    of_label = np.repeat([groups[row] for row in predictions.record], predictions.lengths)
    sums = GroupSums(label.kind, predictions.label, predictions.prediction, of_label)
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

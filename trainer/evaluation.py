"""Evaluation of a trained model on one split, beside the baseline that anyone could guess."""

import collections
import dataclasses
import io
import json
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.plan import EpochPlan
from tfrecords_schema import LabelSpec
from tfrecords_schema.names import atomic_write, join
from trainer.data import SplitData
from trainer.step import Steps
from trainer.task import Batch

_PREFIX_RECORDS = 6
_PREFIXES = 60
# Up to so many values of a label have an error of their own in the summary, and so many values
# of a split are printed themselves.
_MAX_LISTED_UNITS = 8
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


def run(steps: Steps, split: SplitData, train: SplitData, run_dir: str) -> dict[str, Any]:
    """Evaluates a split, prints the figures, and writes them into the run folder.

    Writes `predictions-<split>.npz` and `evaluation-<split>.json`.

    Args:
      steps: holds the trained model.
      split: what to evaluate.
      train: the training split, for the baseline.
      run_dir: folder of the run.
    """
    label = split.label
    assert label is not None
    predictions = predict_split(steps, split, label)
    result = {"split": split.name, **evaluate(predictions, label, split.index.groups())}
    result["baselines"] = _baselines(predictions, split, train)
    result["baseline"] = result["baselines"][0]
    if predictions.prediction.size <= _MAX_LISTED_VALUES and label.kind == "value":
        result["predicted"] = _in_order_of_ids(predictions, split.index.ids())
    if label.kind == "class":
        result["class_names"] = list(label.class_names)
        result["confusion"] = confusion(predictions, len(label.class_names))
    arrays = dataclasses.asdict(predictions)
    if label.per == "record":
        arrays.update(prefix_predictions(steps, split))
    _write(run_dir, split.name, result, arrays)
    print(summary(result))
    return result


def summary(result: dict[str, Any]) -> str:
    """One line: the split's metrics beside the baselines'; another with the values of a few."""
    figures = ", ".join(
        f"{name} {value:.4f}{_beside(name, result['baselines'])}"
        for name, value in result["metrics"].items()
    )
    line = f"{result['split']}: {figures}, {result['records']} records"
    if "predicted" in result:
        # Adding 0 turns -0.0 into 0.0.
        values = " ".join(f"{round(value, 1) + 0.0:.1f}" for value in result["predicted"])
        line += f"\n{result['split']}, predicted values: {values}"
    return line


def _beside(metric: str, baselines: list[dict[str, Any]]) -> str:
    figures = [f"{b['name']} {b[metric]:.4f}" for b in baselines if metric in b]
    return f" ({', '.join(figures)})" if figures else ""


def _in_order_of_ids(predictions: Predictions, ids: list[str]) -> list[float]:
    parts = np.split(predictions.prediction, np.cumsum(predictions.lengths)[:-1])
    by_id = sorted(zip((ids[row] for row in predictions.record), parts, strict=True))
    return [float(value) for _, part in by_id for value in part.ravel()]


def predict_split(steps: Steps, split: SplitData, label: LabelSpec) -> Predictions:
    """Predicts every record of a split, without padding in the result."""
    plan = split.plan(shuffle=False)
    rows: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for batch in split.read(plan):
        rows.update(_unpadded(batch, steps.predict(batch).numpy(), label))
    order = sorted(rows)
    return Predictions(
        record=np.array(order, np.int32),
        lengths=np.array([len(rows[row][1]) for row in order], np.int32),
        label=np.concatenate([rows[row][0] for row in order]),
        prediction=np.concatenate([rows[row][1] for row in order]),
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
        batch = next(iter(split.read(_plan_of_one(split, number))))
        steps_in_record = int(batch["lengths"][0])
        points = np.unique(np.linspace(1, steps_in_record, _PREFIXES).astype(np.int32))
        for prefix in points:
            records.append(number)
            lengths.append(prefix)
            predictions.append(steps.predict(_shortened(batch, prefix)).numpy())
    return {
        "prefix_record": np.array(records, np.int32),
        "prefix_steps": np.array(lengths, np.int32),
        "prefix_prediction": np.concatenate(predictions),
    }


def evaluate(predictions: Predictions, label: LabelSpec, groups: list[str]) -> dict[str, Any]:
    """Metrics over all records and per group.

    Args:
      predictions: of the split.
      label: what is predicted.
      groups: group of each record of the split.
    """
    of_step = np.repeat([groups[row] for row in predictions.record], predictions.lengths)
    score = _class_metrics if label.kind == "class" else _value_metrics
    per_group = collections.OrderedDict()
    for group in sorted(set(of_step)):
        chosen = of_step == group
        metrics = score(predictions.label[chosen], predictions.prediction[chosen])
        per_group[group] = {"labels": int(chosen.sum()), **metrics}
    return {
        "records": len(predictions.record),
        "labels": len(predictions.label),
        "metrics": score(predictions.label, predictions.prediction),
        "groups": per_group,
    }


def _baselines(
    predictions: Predictions, split: SplitData, train: SplitData
) -> list[dict[str, Any]]:
    """What anyone could guess, the best guess first."""
    label = split.label
    assert label is not None
    if label.kind == "class":
        return [majority_baseline(predictions.label, _class_counts(train, label))]
    values = predictions.label.reshape(predictions.prediction.shape)
    baselines = [mean_baseline(values, label_mean(train))]
    if label.per == "sequence" and label.shape == split.dataset.schema.input.step_shape:
        baselines.append(last_value_baseline(split))
    return sorted(baselines, key=lambda baseline: baseline["mae"])


def _class_counts(split: SplitData, label: LabelSpec) -> list[int]:
    counts = split.dataset.manifest.splits[split.name].class_counts
    return [counts.get(name, 0) for name in label.class_names]


def majority_baseline(test: np.ndarray, train_counts: list[int]) -> dict[str, Any]:
    """Accuracy of always answering the training split's commonest class."""
    majority = int(np.argmax(train_counts))
    return {"name": "majority class", "accuracy": float(np.mean(test == majority))}


def mean_baseline(test: np.ndarray, train_mean: np.ndarray) -> dict[str, Any]:
    """Errors of always answering the training split's mean label."""
    return {"name": "mean predictor", **_errors(test - train_mean)}


def last_value_baseline(split: SplitData) -> dict[str, Any]:
    """Errors of a forecast that stays at the last step seen."""
    errors = []
    label = split.label
    assert label is not None
    for batch in split.read(split.plan(shuffle=False)):
        last = tf.gather(batch["signal"], tf.maximum(batch["lengths"] - 1, 0), batch_dims=1)
        error = batch["label"] - tf.cast(last, tf.float32)[:, None]
        errors += [error for _, error in _unpadded(batch, error.numpy(), label).values()]
    flat = [error.reshape(len(error), -1) for error in errors]
    return {"name": "last value", **_errors(np.concatenate(flat))}


def confusion(predictions: Predictions, classes: int) -> list[list[int]]:
    """Counts by true class (rows) and predicted class (columns)."""
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (predictions.label, predictions.prediction.argmax(-1)), 1)
    return matrix.tolist()


def label_mean(split: SplitData) -> np.ndarray:
    """Mean label of a split with real-valued labels, over its valid steps: `[units]`."""
    total: Any = 0.0
    count = 0
    label = split.label
    assert label is not None
    for batch in split.read(split.plan(shuffle=False)):
        for values, _ in _unpadded(batch, batch["label"].numpy(), label).values():
            flat = values.reshape(len(values), -1)
            total, count = total + flat.sum(0, dtype=np.float64), count + len(flat)
    return total / count


def _class_metrics(label: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
    return {"accuracy": float(np.mean(prediction.argmax(-1) == label))}


def _value_metrics(label: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
    return _errors(label.reshape(prediction.shape) - prediction)


def _errors(error: np.ndarray) -> dict[str, float]:
    """Metrics of `[labels, units]` errors; also those of each unit, where they are few."""
    each = np.mean(np.abs(error), axis=0)
    listed = enumerate(each) if 1 < len(each) <= _MAX_LISTED_UNITS else ()
    return {
        "rmse": float(np.sqrt(np.mean(np.square(error)))),
        "mae": float(np.mean(each)),
        **{f"mae_{unit}": float(value) for unit, value in listed},
    }


def _write(run_dir: str, split: str, result: dict[str, Any], arrays: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    atomic_write(join(run_dir, f"predictions-{split}.npz"), buffer.getvalue())
    text = json.dumps(result, indent=1) + "\n"
    atomic_write(join(run_dir, f"evaluation-{split}.json"), text.encode())


def _unpadded(
    batch: Batch, outputs: np.ndarray, label: LabelSpec
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    records, labels = batch["record"].numpy(), batch["label"].numpy()
    lengths = batch["label_lengths" if label.per == "sequence" else "lengths"].numpy()
    if label.per == "record":
        return {
            int(row): (labels[i : i + 1], outputs[i : i + 1])
            for i, row in enumerate(records)
            if row >= 0
        }
    return {
        int(row): (labels[i, : lengths[i]], outputs[i, : lengths[i]])
        for i, row in enumerate(records)
        if row >= 0
    }


def _plan_of_one(split: SplitData, number: int) -> EpochPlan:
    steps = split.index.steps[number : number + 1].astype(np.int32)
    return EpochPlan(
        records=np.array([number], np.int32),
        step_starts=np.array([0, 1], np.int32),
        padded_steps=steps,
        valid_steps=int(steps[0]),
    )


def _shortened(batch: Batch, steps: int) -> Batch:
    return {**batch, "lengths": tf.fill([1], tf.cast(steps, tf.int32))}

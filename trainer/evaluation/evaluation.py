"""Evaluation of a trained model on one split, beside the baseline that anyone could guess."""

import dataclasses
import functools
import io
import json
import math
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.batches.valid_labels import label_lengths, unpadded
from tfrecords_schema import LabelSpec
from tfrecords_schema.names import join
from tfrecords_schema.storage import atomic_write
from trainer.data.split_data import SplitData, plan_of_one
from trainer.evaluation import metrics
from trainer.evaluation.evaluation_table import evaluation_table
from trainer.step.steps import Steps
from trainer.step.task import Batch

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
) -> dict[str, Any]:
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
    result["baselines"] = _baselines(predictions, split, train)
    result["baseline"] = next(iter(result["baselines"]), {})
    if predictions.prediction.size <= _MAX_LISTED_VALUES and label.kind == "value":
        result["predicted"] = _in_order_of_ids(predictions, split.index.ids())
    if label.kind == "class":
        result["class_names"] = list(label.class_names)
        result["confusion"] = confusion(predictions, len(label.class_names))
    arrays = dataclasses.asdict(predictions)
    if label.per == "record":
        arrays.update(prefix_predictions(steps, split))
    _write(run_dir, split.name, result, arrays)
    print(evaluation_table(result))
    return result


def _in_order_of_ids(predictions: Predictions, ids: list[str]) -> list[float]:
    parts = np.split(predictions.prediction, np.cumsum(predictions.lengths)[:-1])
    by_id = sorted(zip((ids[row] for row in predictions.record), parts, strict=True))
    return [float(value) for _, part in by_id for value in part.ravel()]


def predict_split(steps: Steps, split: SplitData, label: LabelSpec) -> Predictions:
    """Predicts every record of a split, without padding in the result."""
    rows: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for batch in split.in_order():
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
        batch = next(iter(split.read(plan_of_one(split, number))))
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
    """Metrics over all records, with intervals; per group; per class or per component.

    Args:
      predictions: of the split.
      label: what is predicted.
      groups: group of each record of the split.
    """
    sums, score = _sums(predictions, label, groups)
    per_group = score(sums.values)
    total = sums.values.sum(0)
    return {
        "records": len(predictions.record),
        "labels": len(predictions.label),
        "metrics": _floats(score(total)),
        "intervals": metrics.bootstrap_intervals(sums, score),
        "bootstrap_resamples": metrics.RESAMPLES,
        "groups": {
            name: {"labels": labels, **row}
            for name, labels, row in zip(
                sums.groups, sums.labels.tolist(), _rows(per_group), strict=True
            )
        },
        **_columns(total, label),
    }


def _sums(
    predictions: Predictions, label: LabelSpec, groups: list[str]
) -> tuple[metrics.Sums, metrics.Score]:
    of_label = np.repeat([groups[row] for row in predictions.record], predictions.lengths)
    truth, prediction = predictions.label, predictions.prediction
    if label.kind == "class":
        chosen, classes = prediction.argmax(-1), len(label.class_names)
        return metrics.class_sums(truth, chosen, classes, of_label), metrics.class_scores
    truth = truth.reshape(prediction.shape)
    return metrics.value_sums(truth, prediction, of_label), metrics.value_scores


def _columns(sums: np.ndarray, label: LabelSpec) -> dict[str, Any]:
    """The metrics of each class by name, or of each component in order."""
    if label.kind == "class":
        rows = _rows(metrics.class_table(sums))
        return {"per_class": dict(zip(label.class_names, rows, strict=True))}
    return {"per_component": _rows(metrics.component_scores(sums))}


def _rows(table: metrics.Figures) -> list[dict[str, Any]]:
    columns = [values.tolist() for values in table.values()]
    return [dict(zip(table, row, strict=True)) for row in zip(*columns, strict=True)]


def _floats(figures: metrics.Figures) -> dict[str, float]:
    return {name: float(value) for name, value in figures.items()}


def _baselines(
    predictions: Predictions, split: SplitData, train: SplitData | None
) -> list[dict[str, Any]]:
    """What anyone could guess, the best guess first."""
    label = split.label
    assert label is not None
    if label.kind == "class":
        counts = [_class_counts(train, label)] if train else []
        return [majority_baseline(predictions.label, classes) for classes in counts]
    values = predictions.label.reshape(predictions.prediction.shape)
    baselines = [mean_baseline(values, label_mean(train))] if train else []
    if label.per == "sequence" and label.shape == split.dataset.schema.input.step_shape:
        baselines.append(last_value_baseline(split))
    return sorted(baselines, key=lambda baseline: baseline["mae"])


def _class_counts(split: SplitData, label: LabelSpec) -> list[int]:
    counts = split.dataset.manifest.splits[split.name].class_counts
    return [counts.get(name, 0) for name in label.class_names]


def majority_baseline(test: np.ndarray, train_counts: list[int]) -> dict[str, Any]:
    """Metrics of always answering the training split's commonest class."""
    answers = np.full_like(test, np.argmax(train_counts))
    sums = metrics.class_sums(test, answers, len(train_counts), np.zeros(len(test), np.int8))
    return {"name": "majority class", **_floats(metrics.class_scores(sums.values[0]))}


def mean_baseline(test: np.ndarray, train_mean: np.ndarray) -> dict[str, Any]:
    """Errors of always answering the training split's mean label."""
    return _value_baseline("mean predictor", test, np.broadcast_to(train_mean, test.shape))


def last_value_baseline(split: SplitData) -> dict[str, Any]:
    """Errors of a forecast that stays at the last step seen."""
    truths, answers = [], []
    label = split.label
    assert label is not None
    for batch in split.in_order():
        last = tf.gather(batch["signal"], tf.maximum(batch["lengths"] - 1, 0), batch_dims=1)
        answer = tf.broadcast_to(tf.cast(last, tf.float32)[:, None], tf.shape(batch["label"]))
        for truth, values in _unpadded(batch, answer.numpy(), label).values():
            truths.append(_flat(truth, label))
            answers.append(_flat(values, label))
    return _value_baseline("last value", np.concatenate(truths), np.concatenate(answers))


def _value_baseline(name: str, truth: np.ndarray, answers: np.ndarray) -> dict[str, Any]:
    sums = metrics.value_sums(truth, answers, np.zeros(len(truth), np.int8)).values[0]
    components = _rows(metrics.component_scores(sums))
    return {"name": name, **_floats(metrics.value_scores(sums)), "per_component": components}


def confusion(predictions: Predictions, classes: int) -> list[list[int]]:
    """Counts by true class (rows) and predicted class (columns)."""
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (predictions.label, predictions.prediction.argmax(-1)), 1)
    return matrix.tolist()


@functools.lru_cache(maxsize=1)  # Reads the whole split, and each evaluated split asks for it.
def label_mean(split: SplitData) -> np.ndarray:
    """Mean label of a split with real-valued labels, over its valid steps: `[units]`."""
    total: Any = 0.0
    count = 0
    label = split.label
    assert label is not None
    for batch in split.in_order():
        for values, _ in _unpadded(batch, batch["label"].numpy(), label).values():
            flat = _flat(values, label)
            total, count = total + flat.sum(0, dtype=np.float64), count + len(flat)
    return total / count


def _flat(values: np.ndarray, label: LabelSpec) -> np.ndarray:
    """`[steps, units]`, also of no step, where the units do not follow from the size."""
    return values.reshape(len(values), math.prod(label.shape))


def _write(run_dir: str, split: str, result: dict[str, Any], arrays: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    atomic_write(join(run_dir, f"predictions-{split}.npz"), buffer.getvalue())
    text = json.dumps(result, indent=1) + "\n"
    atomic_write(join(run_dir, f"evaluation-{split}.json"), text.encode())


def _unpadded(
    batch: Batch, outputs: np.ndarray, label: LabelSpec
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Labels and outputs by row number in the split's index, of the rows that are records."""
    lengths = label_lengths(batch, label).numpy()
    parts = (unpadded(values, lengths, label) for values in (batch["label"].numpy(), outputs))
    records = batch["record"].numpy().tolist()
    rows = zip(records, *parts, strict=True)
    return {row: (labels, values) for row, labels, values in rows if row >= 0}


def _shortened(batch: Batch, steps: int) -> Batch:
    return {**batch, "lengths": tf.fill([1], tf.cast(steps, tf.int32))}

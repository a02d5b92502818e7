"""What the report is about: the files of a run folder, and records of the dataset."""

import dataclasses
import io
import json
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.batches import padded_batches
from pipeline.plan import EpochPlan
from tfrecords_schema import Dataset, LabelSpec
from tfrecords_schema.names import join


@dataclasses.dataclass(frozen=True)
class RunFiles:
    """The files of a run folder; what was not written (yet) is empty.

    Attributes:
      options: flags by name, as text.
      versions: `versions.json`.
      plan: `plan.json`.
      epochs: `metrics.jsonl`, one dict for each epoch.
      evaluations: `evaluation-<split>.json` by split, the test split first.
    """

    run_dir: str
    options: dict[str, str]
    versions: dict[str, Any]
    plan: dict[str, Any]
    epochs: list[dict[str, Any]]
    evaluations: dict[str, dict[str, Any]]

    @classmethod
    def read(cls, run_dir: str) -> "RunFiles":
        """Reads a run folder; any `tf.io.gfile` path."""
        options = _options(_text(run_dir, "config.flags"))
        paths = tf.io.gfile.glob(join(run_dir, "evaluation-*.json"))
        found = [json.loads(_text(run_dir, path.rsplit("/", 1)[1])) for path in sorted(paths)]
        found.sort(key=lambda evaluation: evaluation["split"] != options.get("test_split"))
        return cls(
            run_dir,
            options,
            json.loads(_text(run_dir, "versions.json") or "{}"),
            json.loads(_text(run_dir, "plan.json") or "{}"),
            [json.loads(line) for line in _text(run_dir, "metrics.jsonl").splitlines()],
            {evaluation["split"]: evaluation for evaluation in found},
        )

    def predictions(self, split: str) -> "SplitPredictions":
        """The predictions of an evaluated split."""
        path = join(self.run_dir, f"predictions-{split}.npz")
        with tf.io.gfile.GFile(path, "rb") as file, np.load(io.BytesIO(file.read())) as arrays:
            return SplitPredictions(**{name: arrays[name] for name in arrays.files})


@dataclasses.dataclass(frozen=True)
class SplitPredictions:
    """`predictions-<split>.npz`.

    Attributes:
      record: `[records]` int32, row number in the split's index.
      lengths: `[records]` int32, predictions of each record.
      label: `[sum of lengths, ...]`.
      prediction: `[sum of lengths, units]` probabilities or values.
      prefix_record: `[k]` int32, row number of a record of which only a beginning was seen.
      prefix_steps: `[k]` int32, steps of that beginning.
      prefix_prediction: `[k, units]`.
    """

    record: np.ndarray
    lengths: np.ndarray
    label: np.ndarray
    prediction: np.ndarray
    prefix_record: np.ndarray | None = None
    prefix_steps: np.ndarray | None = None
    prefix_prediction: np.ndarray | None = None

    def of(self, position: int) -> tuple[np.ndarray, np.ndarray]:
        """Labels and predictions of the record at a position of `record`."""
        start = int(self.lengths[:position].sum())
        chosen = slice(start, start + int(self.lengths[position]))
        return self.label[chosen], self.prediction[chosen]

    def over_time(self, position: int, per: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Steps, labels and predictions over a record: of each step, or of longer beginnings."""
        label, prediction = self.of(position)
        if per != "record":
            return np.arange(1, len(label) + 1), label, prediction
        if self.prefix_record is None:
            return np.zeros(0, int), label[:0], prediction[:0]
        assert self.prefix_steps is not None
        assert self.prefix_prediction is not None
        chosen = self.prefix_record == self.record[position]
        steps = self.prefix_steps[chosen]
        return steps, np.repeat(label, len(steps), 0), self.prefix_prediction[chosen]


@dataclasses.dataclass(frozen=True)
class TimeAxis:
    """How steps become seconds, and how a signal unrolls into samples.

    Attributes:
      step_secs: duration of a step, None where the conversion was not told the sampling rate.
      has_samples: whether a step is a stretch of signal, not a vector of features.
    """

    step_secs: float | None
    has_samples: bool

    @classmethod
    def of(cls, dataset: Dataset) -> "TimeAxis":
        """From the dataset's schema and the options of its conversion."""
        options, shape = dataset.manifest.options, dataset.schema.input.step_shape
        window = options.get("window_samples") or options.get("window_secs")
        rate_hz = options.get("sample_rate_hz")
        has_samples = len(shape) == 2 or (len(shape) == 1 and bool(window))
        return cls(shape[0] / rate_hz if rate_hz and has_samples else None, has_samples)

    @property
    def name(self) -> str:
        """Name of the axis."""
        return "seconds" if self.step_secs else "steps"

    @property
    def unit(self) -> float:
        """Length of a step on the axis."""
        return self.step_secs or 1.0

    def unroll(self, signal: np.ndarray) -> np.ndarray:
        """From `[time, *step_shape]` to `[samples, channels]`."""
        if self.has_samples:
            channels = signal.shape[2] if signal.ndim == 3 else 1
            return signal.reshape(-1, channels)
        return signal.reshape(len(signal), -1)


def read_inputs(dataset: Dataset, split: str, rows: np.ndarray) -> list[np.ndarray]:
    """The signals or decoded frames `[time, *step_shape]` of some records.

    Args:
      dataset: the dataset.
      split: name of the split.
      rows: `[n]` int32, row numbers of the split's index.
    """
    dataset = with_label(dataset, None)  # Inputs alone; a task's label may not be in the records.
    steps = dataset.split(split).steps[rows]
    plan = EpochPlan(
        records=rows.astype(np.int32),
        step_starts=np.arange(len(rows) + 1, dtype=np.int32),
        padded_steps=steps,
        valid_steps=int(steps.sum()),
    )
    kind = dataset.schema.input.kind
    return [batch[kind][0].numpy() for batch in padded_batches(dataset, split, plan)]


def with_label(dataset: Dataset, label: LabelSpec | None) -> Dataset:
    """The dataset described with the label of a task, which may not be what its records hold."""
    schema = dataclasses.replace(dataset.schema, label=label)
    return dataclasses.replace(
        dataset, manifest=dataclasses.replace(dataset.manifest, schema=schema)
    )


def label_text(label: np.ndarray, spec: LabelSpec) -> str:
    """A record's label, or prediction of the same kind, in words."""
    values = np.unique(label) if spec.kind == "class" else label
    if spec.kind == "class":
        return ", ".join(spec.class_names[int(value)] for value in values)
    return ", ".join(f"{value:.3g}" for value in np.ravel(values)[:4])


def _options(flagfile: str) -> dict[str, str]:
    pairs = (line[2:].split("=", 1) for line in flagfile.splitlines() if "=" in line)
    return {name: value for name, value in pairs}


def _text(run_dir: str, name: str) -> str:
    path = join(run_dir, name)
    if not tf.io.gfile.exists(path):
        return ""
    with tf.io.gfile.GFile(path) as file:
        return file.read()

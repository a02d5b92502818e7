"""What the report is about: the files of a run folder."""

import dataclasses
import io
import json
import re
from typing import Any

import numpy as np
import tensorflow as tf

from tfrecords_schema import Dataset, LabelSpec
from tfrecords_schema.names import join

_EVALUATION = re.compile(r"evaluation-.*\.json")


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
        names = filter(_EVALUATION.fullmatch, tf.io.gfile.listdir(run_dir))
        found = [json.loads(_text(run_dir, name)) for name in sorted(names)]
        found.sort(key=lambda evaluation: evaluation["split"] != options.get("test_split"))
        return cls(
            run_dir,
            options,
            json.loads(_text(run_dir, "versions.json") or "{}"),
            json.loads(_text(run_dir, "plan.json") or "{}"),
            [json.loads(line) for line in _text(run_dir, "metrics.jsonl").splitlines()],
            {evaluation["split"]: evaluation for evaluation in found},
        )

    def evaluated_on(self, dataset: Dataset) -> list[str]:
        """The splits whose evaluations are of this dataset; those of another may be there, too."""
        fingerprint = dataset.manifest.fingerprint
        return [
            split
            for split, evaluation in self.evaluations.items()
            if evaluation.get("dataset_fingerprint") == fingerprint
        ]

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


def with_label(dataset: Dataset, label: LabelSpec | None) -> Dataset:
    """The dataset described with the label of a task, which may not be what its records hold."""
    schema = dataclasses.replace(dataset.schema, label=label)
    return dataclasses.replace(
        dataset, manifest=dataclasses.replace(dataset.manifest, schema=schema)
    )


def _options(flagfile: str) -> dict[str, str]:
    pairs = (line[2:].split("=", 1) for line in flagfile.splitlines() if "=" in line)
    return {name: value for name, value in pairs}


def _text(run_dir: str, name: str) -> str:
    path = join(run_dir, name)
    if not tf.io.gfile.exists(path):
        return ""
    with tf.io.gfile.GFile(path) as file:
        return file.read()

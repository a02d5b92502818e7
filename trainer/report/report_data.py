"""What the report is about: the files of a run folder."""

import dataclasses
import json
import re
from typing import Any

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

"""What the report is about: the files of a run folder."""

import dataclasses
import re
import sys
from typing import Any

from pipeline.console.terminal import say
from tfrecords_schema import Dataset, DatasetError, LabelSpec
from tfrecords_schema.decoding import json_object
from tfrecords_schema.names import join
from tfrecords_schema.places import gfile
from tfrecords_schema.storage import read
from trainer.evaluation.evaluation_table import of_split, stem
from trainer.report.run_shapes import (
    Choices,
    Epoch,
    Evaluation,
    LeftOuts,
    Notes,
    Plan,
    Versions,
    require,
)

_HISTORY = "metrics.jsonl"
_EVALUATION = re.compile(r"evaluation-.*\.json")


@dataclasses.dataclass(frozen=True)
class RunFiles:
    """The files of a run folder; what was not written (yet) is empty.

    Attributes:
      options: flags by name, as text.
      versions: `versions.json`.
      plan: `plan.json`.
      choices: of `choices.json`: name, value and reason of what was decided from the data.
      left_out: of `left_out.json`: what was left out or changed.
      worth_a_look: of `worth_a_look.json`: what was said at the start of the training.
      epochs: `metrics.jsonl`, one dict for each epoch.
      evaluations: `evaluation-<stem>.json` by its stem, those of the test split first.
    """

    run_dir: str
    options: dict[str, str]
    versions: dict[str, Any]
    plan: dict[str, Any]
    choices: list[dict[str, Any]]
    left_out: list[dict[str, Any]]
    worth_a_look: list[str]
    epochs: list[dict[str, Any]]
    evaluations: dict[str, dict[str, Any]]

    @classmethod
    def read(cls, run_dir: str) -> "RunFiles":
        """Reads a run folder; any path of `gfile`.

        Raises:
          DatasetError: if a file is not what a run wrote.
        """
        options = _options(_text(run_dir, "config.flags"))
        names = filter(_EVALUATION.fullmatch, gfile.listdir(run_dir))
        found = [*filter(None, (_evaluation(run_dir, name) for name in sorted(names)))]
        found.sort(key=lambda evaluation: evaluation.get("split") != options.get("test_split"))
        return cls(
            run_dir,
            options,
            _object(run_dir, "versions.json", Versions),
            _object(run_dir, "plan.json", Plan),
            _object(run_dir, "choices.json", Choices).get("choices", []),
            _object(run_dir, "left_out.json", LeftOuts).get("left_out", []),
            _object(run_dir, "worth_a_look.json", Notes).get("worth_a_look", []),
            [
                _object(run_dir, _HISTORY, Epoch, line)
                for line in _text(run_dir, _HISTORY).splitlines()
            ],
            {stem(evaluation): evaluation for evaluation in found},
        )

    def of_weights(self, weights: str) -> "RunFiles":
        """Without the evaluations of weights that the run had before; all where none are named."""
        kept = {
            name: evaluation
            for name, evaluation in self.evaluations.items()
            if not weights or evaluation.get("weights", weights) == weights
        }
        return dataclasses.replace(self, evaluations=kept)

    def evaluated_on(self, fingerprint: str) -> dict[str, dict[str, Any]]:
        """By split the evaluations of this dataset; those of another may be there, too.

        Of several labels by split and label, as in test.stage.
        """
        return {
            of_split(evaluation): evaluation
            for evaluation in self.evaluations.values()
            if evaluation.get("dataset_fingerprint") == fingerprint
        }


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
    return (read(join(run_dir, name)) or b"").decode(errors="backslashreplace")


def _evaluation(run_dir: str, name: str) -> dict[str, Any]:
    """An evaluation; empty if the file is, or has the name of another than it holds."""
    found = _object(run_dir, name, Evaluation)
    if found and name != (own := f"evaluation-{stem(found)}.json"):
        say(f"WARNING: {join(run_dir, name)} holds what belongs in {own}: left aside", sys.stderr)
        return {}
    return found


def _object(run_dir: str, name: str, kind: type, line: str = "") -> dict[str, Any]:
    """What a file, or a line of it, holds; empty where nothing is written yet."""
    try:
        found = json_object(line or _text(run_dir, name) or "{}")
        if found:
            require(kind, found)
        return found
    except DatasetError as error:
        path = join(run_dir, name)
        raise DatasetError(f"{path} is not what a run wrote ({error}); remove it") from error

"""The files of a run that say what was run: options, versions, plan, identity."""

import dataclasses
import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from pipeline.console.command import PROJECT, typed_text
from pipeline.console.options import Options, flagfile_text
from pipeline.console.texts import input_text, label_kind_text, listed
from pipeline.console.version import VERSION
from tfrecords_schema import Dataset, DatasetError, LabelSpec, RecordSchema, Statistics
from tfrecords_schema.decoding import decode, json_object
from tfrecords_schema.left_out import LeftOut
from tfrecords_schema.manifest import check_options, statistics_problem
from tfrecords_schema.names import join
from tfrecords_schema.storage import atomic_write, make_folder, read
from trainer.data.split_data import SplitData
from trainer.models.family import DataSpec
from trainer.options.automatic import Choice
from trainer.options.options import TrainingOptions
from trainer.runs.checkpoints import CheckpointError
from trainer.runs.own_folder import OF_RUN

_PACKAGES = ("tensorflow", "keras", "numpy")
_SCHEMA = "schema.json"
_MAX_NAMES = 100
_OF_FINGERPRINT = 8
_OF_VALUES = ("channels", "units", "sample_rate_hz")  # What the schema does not say.


@dataclasses.dataclass(frozen=True)
class LearntFrom:
    """What a model needs to know of the data it learnt from, once that is gone.

    Attributes:
      name: of the dataset.
      version: of the dataset.
      fingerprint: names the exact data.
      schema: of a record.
      statistics: of the training split's channels.
      options: with which the recordings were converted.
      seal: names all that a training goes by; empty where an earlier version wrote this.
    """

    name: str
    version: str
    fingerprint: str
    schema: RecordSchema
    statistics: Statistics | None
    options: dict[str, Any]
    seal: str = ""

    @classmethod
    def of(cls, dataset: Dataset) -> "LearntFrom":
        """That of a dataset."""
        found = dataset.manifest
        return cls(
            found.name, found.version, found.fingerprint, found.schema, found.statistics,
            found.options, found.seal,
        )  # fmt: skip

    def spec(self, label: LabelSpec) -> DataSpec:
        """What a model that predicts this label knows of the data."""
        rate = self.options.get("sample_rate_hz")
        return DataSpec(self.schema.input, label, self.statistics, rate)

    @classmethod
    def read(cls, run_dir: str) -> "LearntFrom":
        """Reads what `write` left in a run folder.

        Raises:
          CheckpointError: if it is not there, or not as it was written.
        """
        try:
            found: LearntFrom = decode(cls, json_object(_read(run_dir, _SCHEMA)))
            check_options(found.options)
            if problem := statistics_problem(found.statistics, found.schema):
                raise DatasetError(f"statistics: {problem}")
            return found
        except DatasetError as error:
            raise CheckpointError(
                f"{join(run_dir, _SCHEMA)} is not what a training wrote ({error}); copy the run "
                "folder again, or train again"
            ) from error


def read_flags(run_dir: str) -> str:
    """The flagfile of the training that a run folder holds.

    Raises:
      CheckpointError: if it holds none.
    """
    return _read(run_dir, OF_RUN)


def earlier_flags(run_dir: str, names: set[str]) -> str:
    """What the flagfile of an earlier start says of some options; empty if there is none."""
    content = read(join(run_dir, OF_RUN)) or b""
    lines = _as_text(content).splitlines(keepends=True)
    return "".join(line for line in lines if line[2:].partition("=")[0] in names)


def validated_on(run_dir: str) -> str:
    """The split that a training was validated on; empty if on none."""
    return earlier_flags(run_dir, {"validation_split"}).strip().partition("=")[2]


def evaluated_with(run_dir: str) -> str:
    """Which weights of a training are evaluated, `best` or `last`."""
    found = earlier_flags(run_dir, {"evaluate_with"}).strip().partition("=")[2]
    return found or TrainingOptions.evaluate_with


def _read(run_dir: str, name: str) -> str:
    content = read(join(run_dir, name))
    if content is None:
        raise CheckpointError(
            f"{run_dir} has no {name}, so it is no run folder of a training; give the --run_dir "
            "of one, or train first"
        )
    return _as_text(content)


def _as_text(content: bytes) -> str:
    """Text of a file that people may have edited; what is none is refused where it is read."""
    try:
        return typed_text(content)
    except ValueError:
        return content.decode(errors="backslashreplace")


def other_data(learnt: LearntFrom, dataset: Dataset) -> str:
    """What files are called by that say something of another dataset than was learnt from.

    With the beginning of its SHA-256, as another may have its name, or of its seal, as one of the
    same records may have other statistics; empty for that dataset itself.
    """
    found = dataset.manifest
    digest = found.fingerprint
    if digest == learnt.fingerprint:
        if learnt.seal in ("", found.seal):
            return ""
        digest = found.seal
    return f"{found.name}-{found.version}-{digest[:_OF_FINGERPRINT]}"


def require_same_task(learnt: LearntFrom, dataset: Dataset) -> None:
    """Refuses to measure a model on records of another kind than it learnt from.

    Raises:
      DatasetError: if input or label differ; the message has both.
    """
    found, expected = dataset.schema, learnt.schema
    if found != expected:
        raise DatasetError(
            f"{dataset.path} is of another task: it has {_described(found)}; the model learnt from "
            f"{learnt.name} {learnt.version}, with {_described(expected)}. {_cure(found, expected)}"
        )


def other_reading(learnt: LearntFrom, path: str, options: Mapping[str, Any]) -> str:
    """What is said of a dataset whose recordings were read otherwise; empty if they were not.

    Their values may be others in the same shape: of other channels, in other units, at another
    rate.

    Args:
      learnt: what the model learnt from.
      path: of the dataset.
      options: with which it was converted.
    """
    pairs = {name: (options.get(name), learnt.options.get(name)) for name in _OF_VALUES}
    unlike = [
        f"{name} {_option_text(found)}, the model's have {_option_text(expected)}"
        for name, (found, expected) in pairs.items()
        if found and expected and found != expected
    ]
    return f"WARNING: the recordings of {path} have {'; '.join(unlike)}" if unlike else ""


def _option_text(value: Any) -> str:
    return listed(value) if isinstance(value, list) else str(value)


def _cure(found: RecordSchema, expected: RecordSchema) -> str:
    names = expected.label.class_names if expected.label else ()
    if names and found.label:
        label = dataclasses.replace(found.label, class_names=names)
        if dataclasses.replace(found, label=label) == expected:
            given = ",".join(names) if len(names) <= _MAX_NAMES else "..., all of the run's classes"
            return (
                f"Convert it with --class_names={given}, or give a --run_dir trained on it as it is"
            )
    return "Give the --dataset of that task, or a --run_dir trained on this one"


def _described(schema: RecordSchema) -> str:
    names = listed(schema.label.class_names) if schema.label else ""
    label = f"label {label_kind_text(schema.label)}"
    return f"{input_text(schema.input)}, {label}{f' ({names})' if names else ''}"


def write(
    run_dir: str,
    options: tuple[Options, ...],
    learnt: LearntFrom,
    model: keras.Model,
    train: SplitData,
    choices: Sequence[Choice] = (),
) -> None:
    """Writes `config.flags`, `schema.json`, `versions.json`, `plan.json`, and `choices.json`.

    The last one only where something was decided now, and not by an earlier start.
    """
    make_folder(run_dir)
    atomic_write(join(run_dir, OF_RUN), flagfile_text(options).encode())
    _write_json(join(run_dir, _SCHEMA), dataclasses.asdict(learnt))
    _write_json(join(run_dir, "versions.json"), _versions(learnt, model))
    _write_json(join(run_dir, "plan.json"), _plan(train))
    if choices:
        names = ("name", "value", "reason")
        found = [{name: getattr(choice, name) for name in names} for choice in choices]
        _write_json(join(run_dir, "choices.json"), {"choices": found})


def write_left_out(run_dir: str, rows: Sequence[LeftOut]) -> None:
    """Writes `left_out.json`: what was left out or changed between recordings and figures."""
    _write_json(join(run_dir, "left_out.json"), {"left_out": [*map(dataclasses.asdict, rows)]})


def write_worth_a_look(run_dir: str, notes: Sequence[str]) -> None:
    """Writes `worth_a_look.json`: what was said against the training at its start."""
    _write_json(join(run_dir, "worth_a_look.json"), {"worth_a_look": [*notes]})


def _versions(learnt: LearntFrom, model: keras.Model) -> dict[str, Any]:
    trainable = sum(int(v.value.shape.num_elements()) for v in model.trainable_variables)
    return {
        PROJECT: VERSION,
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in _PACKAGES},
        "dataset": f"{learnt.name} {learnt.version}",
        "dataset_fingerprint": learnt.fingerprint,
        "parameters": model.count_params(),
        "trainable_parameters": trainable,
    }


def _plan(train: SplitData) -> dict[str, Any]:
    plan, by_length = train.plan(), train.options.by_length
    return {
        "boundaries": sorted({int(steps) for steps in plan.padded_steps if by_length}),
        "padding_share": plan.padding_share,
        "steps_per_epoch": plan.num_steps,
        "batch_size": train.options.batch_size,
        "batch_steps": train.options.batch_steps,
    }


def _write_json(path: str, value: dict[str, Any]) -> None:
    atomic_write(path, (json.dumps(value, indent=1) + "\n").encode())

"""What a study asks of the trainer, and whether a folder holds the same study."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.console.command import with_help
from pipeline.console.errors import UsageError
from pipeline.console.options import Effect, fields_of, read, value_text
from tfrecords_schema.decoding import json_object
from tfrecords_schema.errors import DatasetError, UserError
from tfrecords_schema.names import join
from tfrecords_schema.storage import atomic_write, make_folder
from tfrecords_schema.storage import read as read_file
from trainer.options.options import DataOptions, RunOptions
from trainer.runs import asked
from trainer.runs.own_folder import OF_STUDY, require_no_other

if TYPE_CHECKING:
    from tfrecords_schema import Dataset

# A study decides on these itself, and on those of each fold.
_OF_STUDY = ("mode", "dataset", "dry_run")
_OF_FOLDS = ("seed", "train_split", "validation_split")


class OfTrainer(NamedTuple):
    """What of the command line of a study is the trainer's.

    Attributes:
      run: its options.
      data: its options.
      given: every flag that is given besides places and what the study decides, as text.
      decisive: those of them that have an effect on every run, whatever its fold and seed.
    """

    run: RunOptions
    data: DataOptions
    given: dict[str, str]
    decisive: dict[str, str]


def of_trainer(argv: Sequence[str], prog: str) -> OfTrainer:
    """Reads what is the trainer's.

    Raises:
      UsageError: it makes no sense.
    """
    values = asked.COMMAND.parse(argv).values
    run = read(RunOptions, values)
    if run.mode != "train":
        raise UsageError(with_help(f"--mode={run.mode}: folds are trained; leave it out", prog))
    kinds = asked.recorded(str(values["model"].value))
    fields = {field.name: field for kind in kinds for field, _ in fields_of(kind)}
    given = {
        name: value_text(values[name].value)
        for name, field in fields.items()
        if values[name].present
        and name not in _OF_STUDY
        and field.metadata["effect"] is not Effect.PLACE
    }
    decisive = {
        name: text
        for name, text in given.items()
        if name not in _OF_FOLDS and fields[name].metadata["effect"] is not Effect.NONE
    }
    return OfTrainer(run, read(DataOptions, values), given, decisive)


def require_one_label(dataset: Dataset, given: Mapping[str, str]) -> None:
    """Refuses several labels where one is not named: a figure is of one.

    Args:
      dataset: what is divided.
      given: options of the trainer.

    Raises:
      UsageError: that is so.
    """
    label = dataset.schema.label
    if label and label.heads and "label" not in given:
        names = ", ".join(head.name for head in label.heads)
        raise UsageError(
            f"{dataset.path} has several labels, {names}; name the one that is studied, such as "
            f"--label={label.heads[0].name}"
        )


def earlier_study(run_dir: str) -> dict[str, Any]:
    """What `write_study` wrote; empty if it did not.

    Raises:
      UserError: something else is there.
    """
    path = join(run_dir, OF_STUDY)
    content = read_file(path)
    try:
        return {} if content is None else json_object(content)
    except DatasetError as error:
        raise UserError(
            f"{path} is not what a study wrote ({error}); copy it again, or give another --run_dir"
        ) from error


def require_same(run_dir: str, study: Mapping[str, Any], what: str, may_grow: str) -> None:
    """Refuses another study in a folder that holds one.

    Args:
      run_dir: the folder.
      study: what all its runs have in common, as JSON has it.
      what: it is.
      may_grow: options that may be others all the same.

    Raises:
      UserError: the folder holds another one (the message has what differs), a dataset or a run.
    """
    require_no_other(run_dir, OF_STUDY)
    before = earlier_study(run_dir) or study
    changed = [
        f"--{name} was {before.get(name)!r} and is {study.get(name)!r}"
        for name in sorted(study.keys() | before.keys())
        if study.get(name) != before.get(name)
    ]
    if changed:
        raise UserError(
            f"{run_dir} holds a {what} with other options: {'; '.join(changed)}; give another "
            f"--run_dir, or the same options ({may_grow} may grow)"
        )


def write_study(run_dir: str, study: Mapping[str, Any], what: str, may_grow: str) -> None:
    """Writes down what all runs have in common, for whoever has the lock of the folder.

    Raises:
      UserError: another study came there since `require_same` was asked.
    """
    require_same(run_dir, study, what, may_grow)
    content = json.dumps(study, indent=1) + "\n"
    atomic_write(join(make_folder(run_dir), OF_STUDY), content.encode())

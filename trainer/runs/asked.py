"""What a command line of `python -m trainer` asks for; read without TensorFlow."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.console.command import Command
from pipeline.console.options import Options, fill_in, option, read, refuse_unused
from pipeline.console.rooms import first_lines
from trainer.models.family import ChosenModel, families, option_kinds
from trainer.options.options import DataOptions, PredictOptions, RunOptions, TrainingOptions


@dataclasses.dataclass(frozen=True)
class ModelOptions(Options):
    """Which model."""

    model: str = option(
        "signal",
        first_lines({name: type(family) for name, family in families().items()}),
        tuple(families()),
        common=True,
    )


RECORDED = (RunOptions, ModelOptions, DataOptions, TrainingOptions, *option_kinds())
"""Kinds of options that a training depends on; its flagfile has those that its model reads."""

COMMAND = Command(
    "python -m trainer",
    "Trains on a converted dataset, evaluates, predicts, exports.",
    (*RECORDED, PredictOptions),
)


class Asked(NamedTuple):
    """All options of one command.

    Attributes:
      run: what to do, and where.
      data: which records, and how they are put into batches.
      training: how to train.
      predict: what to predict, and where to.
      model: which model, with its options.
      recorded: every option that says what was run.
    """

    run: RunOptions
    data: DataOptions
    training: TrainingOptions
    predict: PredictOptions
    model: ChosenModel
    recorded: tuple[Options, ...]


def asked(argv: Sequence[str]) -> Asked:
    """Reads a command line; after training, with what it leaves out from the run folder.

    Raises:
      UsageError: it makes no sense; the message says what to change.
      CheckpointError: there is no such run folder.
    """
    values = COMMAND.parse(argv).values
    run = read(RunOptions, values)
    if run.mode != "train":
        from trainer.runs.run_folder import read_flags

        fill_in(read_flags(run.run_dir), values, RECORDED, "config.flags of the run folder")
        run = read(RunOptions, values)
    predict = read(PredictOptions, values)
    predict.require_mode(run.mode)
    name = read(ModelOptions, values)
    family = families()[name.model]
    if run.mode == "train":
        kinds = {known: found.options for known, found in families().items()}
        refuse_unused(values, kinds, name.model, "model")
    data, training = read(DataOptions, values), read(TrainingOptions, values)
    model = ChosenModel(family, tuple(read(kind, values) for kind in family.options))
    recorded = (run, name, data, training, *model.options)
    return Asked(run, data, training, predict, model, recorded)

"""What a command line of `python -m trainer` asks for; read without TensorFlow."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from absl import flags

from pipeline.console.command import Command
from pipeline.console.errors import UsageError
from pipeline.console.near_misses import not_one_of
from pipeline.console.options import (
    Options,
    define,
    fill_in,
    names_of,
    option,
    read,
    refuse_unused,
    value_text,
)
from pipeline.console.rooms import first_lines
from tfrecords_schema.errors import DatasetError
from trainer.augmentation.augmentation import Augmentation, augmentations, augmented
from trainer.models.family import ChosenModel, Family, families, option_kinds
from trainer.models.named import family_named, kinds_beside, names_for_rules
from trainer.models.parts.network import samples_of_step
from trainer.models.parts.own_model import is_path, require_code_elsewhere, require_path
from trainer.options.automatic import Choice, Facts, decide, family_for
from trainer.options.options import (
    AUTO_STEPS,
    DataOptions,
    PredictOptions,
    RunOptions,
    TrainingOptions,
)
from trainer.options.reading import ReadingOptions
from trainer.options.start import StartOptions

if TYPE_CHECKING:
    from tfrecords_schema import LabelSpec
    from tfrecords_schema.channels import ChannelRole

AUTO = "auto"
_BY_DEFAULT = "signal"


def _model(name: str) -> str:
    if is_path(name):
        return require_path(name)
    if name not in (AUTO, *families()):
        raise ValueError(not_one_of(name, (AUTO, *families(), "package.module:function")))
    return name


@dataclasses.dataclass(frozen=True)
class ModelOptions(Options):
    """Which model."""

    model: str = option(
        AUTO,
        f"{AUTO}: decided from the data, as is every option that is not given. "
        + first_lines({name: type(family) for name, family in families().items()})
        + " package.module:function: a function of your own that returns a Keras model.",
        common=True,
        parse=_model,
    )


_BEFORE = (
    RunOptions, ModelOptions, DataOptions, TrainingOptions, StartOptions, ReadingOptions,
)  # fmt: skip
OF_ANY_MODEL = (*_BEFORE, *augmentations())
"""Kinds of options that a training depends on, whatever its model."""

RECORDED = (*_BEFORE, *option_kinds(), *augmentations())
"""Those and the options of all families; a flagfile has those that its model reads."""


def recorded(model: str) -> tuple[type[Options], ...]:
    """`RECORDED`, with the options of a model of one's own.

    Raises:
      UserError: there is no such model.
    """
    return (*_BEFORE, *kinds_beside(model), *augmentations()) if is_path(model) else RECORDED


def _kinds(given: Sequence[str]) -> tuple[type[Options], ...]:
    return (*recorded(named_model(given)), PredictOptions)


def named_model(given: Sequence[str]) -> str:
    """The model that arguments name, or the run folder that they name; empty if neither does."""
    values = flags.FlagValues()
    define((RunOptions, ModelOptions, StartOptions), values)
    values.set_gnu_getopt()
    try:
        values(["", *given], known_only=True)
    except (flags.Error, ValueError):
        return ""  # It is said when they are parsed.
    return _of_values(values)


def _of_values(values: flags.FlagValues) -> str:
    if values["model"].present and values["model"].value != AUTO:
        return str(values["model"].value)
    is_training = values["mode"].value in (None, "train")
    places = ("run_dir", "init_from") if is_training else ("run_dir",)
    folders = [str(values[place].value) for place in places if values[place].value]
    for folder in folders:
        from trainer.runs.run_folder import earlier_flags

        if found := earlier_flags(folder, {"model"}):
            name = found.strip().partition("=")[2]
            for handed in folders if is_path(name) else ():
                require_code_elsewhere(name, handed)
            return name
    return ""


COMMAND = Command(
    "python -m trainer",
    "Trains on a converted dataset, evaluates, predicts, exports.",
    (*RECORDED, PredictOptions),
    kinds_of=_kinds,
)


class Asked(NamedTuple):
    """All options of one command.

    Attributes:
      run: what to do, and where.
      data: which records, and how they are put into batches.
      training: how to train.
      start: what it starts from.
      reading: what is chosen to read outputs by.
      predict: what to predict, and where to.
      model: which model, with its options.
      augmentations: those that training uses.
      recorded: every option that says what was run.
      choices: what was decided for whoever did not say.
      argv: the command line.
    """

    run: RunOptions
    data: DataOptions
    training: TrainingOptions
    start: StartOptions
    reading: ReadingOptions
    predict: PredictOptions
    model: ChosenModel
    augmentations: tuple[Augmentation, ...]
    recorded: tuple[Options, ...]
    choices: tuple[Choice, ...] = ()
    argv: tuple[str, ...] = ()

    def again(self, settled: Mapping[str, Choice]) -> "Asked":
        """The same command, with these options decided, and others by what follows from them."""
        return asked(self.argv, settled)

    def augment(
        self, label: "LabelSpec", roles: Sequence["ChannelRole"]
    ) -> Callable[[Any, Any], Any] | None:
        """From a batch and the number of the epoch to the batch that is trained on."""
        used, seed = self.augmentations, self.run.seed
        if not used:
            return None
        return lambda batch, epoch: augmented(batch, used, seed, epoch, label, roles)


def asked(argv: Sequence[str], settled: Mapping[str, Choice] | None = None) -> Asked:
    """Reads a command line; after training, with what it leaves out from the run folder.

    Args:
      argv: arguments without the program's name.
      settled: what trials have decided, where the rules would leave it open.

    Raises:
      UsageError: it makes no sense; the message says what to change.
      CheckpointError: there is no such run folder.
    """
    values = COMMAND.parse(argv).values
    run = read(RunOptions, values)
    if run.mode != "train":
        from trainer.runs.run_folder import read_flags

        kinds = recorded(_of_values(values))
        fill_in(read_flags(run.run_dir), values, kinds, "config.flags of the run folder")
        run = read(RunOptions, values)
    predict = read(PredictOptions, values)
    predict.require_mode(run.mode)
    start = read(StartOptions, values)
    if run.mode == "train" and start.init_from:
        _fill_in_model(run.run_dir, start.init_from, values)
    settled = settled or {}
    measured = _settle_batch_steps(values, run, settled)
    choices = _decide(values, run, settled) if run.mode == "train" else ()
    name = read(ModelOptions, values)
    if run.mode != "train" and name.model == AUTO:
        raise UsageError(
            f"config.flags of {run.run_dir} does not say which --model was trained; copy it again, "
            "or give --model"
        )
    family = family_named(name.model)
    if run.mode == "train":
        refuse_other_models(values, family)
    data, training = read(DataOptions, values), read(TrainingOptions, values)
    if data.batch_steps == AUTO_STEPS:
        _refuse_beside_rules(data, choices)
    reading = read(ReadingOptions, values)
    of_family = tuple(read(kind, values) for kind in family.options)
    model = ChosenModel(family, of_family, training.ordinal, training.label)
    changes = tuple(read(kind, values) for kind in augmentations())
    said = (run, name, data, training, start, reading, *model.options, *changes)
    used = tuple(one for one in changes if one.is_on)
    return Asked(
        run, data, training, start, reading, predict, model, used, said, (*choices, *measured),
        tuple(argv),
    )  # fmt: skip


def _settle_batch_steps(
    values: flags.FlagValues, run: RunOptions, settled: Mapping[str, Choice]
) -> tuple[Choice, ...]:
    """Sets `--batch_steps=auto` to what an earlier start has chosen, or this one; returns which.

    Raises:
      UsageError: a training would choose, and this is none.
    """
    if values["batch_steps"].value != AUTO_STEPS:
        return ()
    if choice := settled.get("batch_steps"):
        values["batch_steps"].parse(value_text(choice.value))
        return (choice,)
    from trainer.runs.run_folder import earlier_flags

    earlier = earlier_flags(run.run_dir, {"batch_steps"})
    if not earlier and run.mode != "train":
        raise UsageError(
            f"--batch_steps={AUTO_STEPS} is for --mode=train, got --mode={run.mode}; leave it out"
        )
    values["batch_steps"].unparse()
    fill_in(earlier or f"--batch_steps={AUTO_STEPS}", values, (DataOptions,), "config.flags")
    return ()


def _refuse_beside_rules(data: DataOptions, choices: Sequence[Choice]) -> None:
    """Refuses to choose by time how many records meet where the rules do by their number.

    Raises:
      UsageError: the rules have decided it.
    """
    if "batching" in {choice.name for choice in choices}:
        raise UsageError(
            f"--batch_steps={AUTO_STEPS} chooses by time and memory, and the rules for this model "
            f"by the number of records: --batch_size={data.batch_size} --batching={data.batching}; "
            "leave it out, or say that you mean it with --batching=length or --batching=random"
        )


def refuse_other_models(values: flags.FlagValues, family: Family) -> None:
    """Refuses options that only other models read.

    Raises:
      UsageError: one is given.
    """
    readers = {known: found.options for known, found in families().items()}
    refuse_unused(values, {**readers, family.name: family.options}, family.name, "model")


def _fill_in_model(run_dir: str, init_from: str, values: flags.FlagValues) -> None:
    """Sets the model, and of its options those that were not given, as an earlier run has them.

    They are those of an earlier start where there is one.
    """
    from trainer.runs.run_folder import earlier_flags, read_flags

    source = run_dir if earlier_flags(run_dir, {"model"}) else init_from
    lines = {
        line.removeprefix("--").partition("=")[0]: line
        for line in read_flags(source).splitlines(keepends=True)
    }
    if read(ModelOptions, values).model == AUTO:
        values["model"].unparse()
        named = lines.get("model", f"--model={_BY_DEFAULT}\n")
        fill_in(named, values, RECORDED, f"config.flags of {source}")
    model = read(ModelOptions, values).model
    of_model = names_of(family_named(model).options)
    text = "".join(line for name, line in lines.items() if name in of_model)
    fill_in(text, values, recorded(model), f"config.flags of {source}")


def _decide(
    values: flags.FlagValues, run: RunOptions, settled: Mapping[str, Choice]
) -> tuple[Choice, ...]:
    """Sets options that were not given, for a family that wants that; returns which, and why."""
    from trainer.runs.run_folder import earlier_flags

    model = read(ModelOptions, values).model
    facts = _facts(run.dataset, read(DataOptions, values).train_split, values["label"].value or "")
    of_model = family_for(facts)
    if model == AUTO:
        model = _asked_for(values, of_model.value)
    if model and not family_named(model).automatic:
        values["model"].parse(model)
        return ()
    is_open = not model
    if is_open and facts.per == "end" and not values["horizon_steps"].present:
        raise DatasetError(
            f"{run.dataset} has no labels; convert it with --label_key, or say how many steps at "
            "the end of each signal are to be forecast, as in --horizon_steps=10"
        )
    if model:
        values["model"].parse(model)
    else:
        fill_in(_flag(of_model), values, RECORDED, "the rules")
        model = of_model.value
    family = family_named(model)
    known = names_of(OF_ANY_MODEL) | names_for_rules(model)
    given = {name: values[name].value for name in known if values[name].present}
    choices = decide(facts, given, settled, known - family.undecided)
    earlier = earlier_flags(run.run_dir, {choice.name for choice in choices})
    if earlier:  # Whose defaults hold for an option that was not known then.
        fill_in(earlier, values, RECORDED, "config.flags of the run folder")
        return ()
    fill_in("".join(map(_flag, choices)), values, RECORDED, "the rules")
    if family.note and choices:
        choices.insert(0, Choice("model", model, family.note))
    elif values["model"].value == of_model.value and is_open and choices:
        choices.insert(0, of_model)
    return tuple(choices)


def _facts(dataset: str, train_split: str, label: str) -> Facts:
    from tfrecords_schema import open_dataset
    from trainer.data.heads import described

    found = described(open_dataset(dataset), label)
    return Facts.of(found, train_split, samples_of_step(found.schema.input.step_shape))


def _flag(choice: Choice) -> str:
    return f"--{choice.name}={value_text(choice.value)}\n"


def _asked_for(values: flags.FlagValues, by_rules: str) -> str:
    """The family that options are given of, without --model; empty where that `by_rules` does."""
    given = {name for name in names_of(option_kinds()) if values[name].present}
    fitting = [name for name, family in families().items() if given <= names_of(family.options)]
    if by_rules in fitting or any(families()[name].automatic for name in fitting):
        return ""
    return _BY_DEFAULT if _BY_DEFAULT in fitting or not fitting else fitting[0]

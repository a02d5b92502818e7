"""What a family of models has to offer, and the table of all families.

A family is one file of this room: its options, its checks, its network. The table finds it by its
class; nothing else names it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pipeline.console.errors import UsageError
from pipeline.console.options import Options
from pipeline.console.rooms import classes_in, first_line
from tfrecords_schema.errors import UserError

if TYPE_CHECKING:
    import keras

    from tfrecords_schema import InputSpec, LabelSpec, Statistics
    from trainer.step.task import Batch, Task


class DataSpec(NamedTuple):
    """What a model knows of the data.

    Attributes:
      input: kind, dtype and shape of a step.
      label: what is predicted.
      statistics: of the training split's channels; None where the dataset has none.
      rate_hz: of samples, where the conversion was told.
    """

    input: InputSpec
    label: LabelSpec
    statistics: Statistics | None
    rate_hz: float | None = None

    @property
    def units(self) -> int:
        """Outputs for one label: its classes, or its values."""
        return self.label.outputs


class BuiltModel(NamedTuple):
    """One model, entered at its inputs or behind its frozen part.

    Attributes:
      full: from `signal` or `frames: [batch, time, *step_shape]` and `lengths: [batch] int32`, by
        name, to logits or values: `[batch, units]` for one label per record, `[batch, time, units]`
        for one per step. Padding and rows of length 0 give zeros.
      features: `[rows, *step_shape]` to `[rows, values]` float32, the frozen part; or None where
        nothing is frozen.
      from_features: `{"signal": [batch, time, values] float32, "lengths"}` to the outputs of
        `full`, with the same variables; None with `features`.
      fit: fits what no gradient trains to batches of the training split, before its first update,
        and returns a mean loss on groups left out; None where there is nothing. Beside what a
        batch has, `group: [batch]` numbers the groups. The second argument is how many labels it
        takes at most, or a batch more.
      members: from the inputs of `full` to a list of outputs: a mean, and what it is the mean of,
        each trained by itself. None where there is but one.
    """

    full: keras.Model
    features: keras.Model | None = None
    from_features: keras.Model | None = None
    members: keras.Model | None = None
    fit: Callable[[Iterable[Batch], int], float] | None = None


class Family:
    """One family of models; the first line of its docstring says what it is, in the help.

    Attributes:
      options: dataclasses whose fields are its flags; families may share them.
      inputs: kinds of input that it takes.
      joins_beside: whether it takes what stands beside the steps as well, `data.input.beside`.
      labels: what it predicts a label for.
      automatic: whether options that are not given are decided by the rules; else they have their
        defaults.
      undecided: options that have their defaults all the same.
      note: what is said beside the name where options are decided for it.
    """

    options: tuple[type[Options], ...] = ()
    inputs: ClassVar[tuple[str, ...]] = ("signal", "frames")
    joins_beside: ClassVar[bool] = False
    labels: ClassVar[tuple[str, ...]] = ("step", "record", "sequence")
    automatic: ClassVar[bool] = False
    undecided: ClassVar[frozenset[str]] = frozenset()
    note: ClassVar[str] = ""

    @property
    def name(self) -> str:
        """What `--model` calls it: its file."""
        return type(self).__module__.rpartition(".")[2]

    @property
    def summary(self) -> str:
        """What it is, in a line; empty where nobody says."""
        return first_line(type(self))

    def label(self, input_spec: InputSpec, label: LabelSpec | None) -> LabelSpec | None:
        """What it predicts: the dataset's own label, or another."""
        return label

    def task(self, label: LabelSpec, *options: Any, **scoring: Any) -> Task:
        """What it is trained for.

        Args:
          label: what it predicts.
          *options: one of each kind in `options`.
          **scoring: arguments of `Task`: weights of classes, label smoothing, activation.
        """
        from trainer.step.task import Task

        return Task(label, **scoring)

    def build(self, data: DataSpec, *options: Any) -> keras.Model | BuiltModel:
        """Builds the model.

        Args:
          data: what it is for.
          *options: one of each kind in `options`.

        Returns:
          A functional Keras model like `BuiltModel.full`, or with the ways into it.

        Raises:
          UserError: the model does not suit the data, or the options not the model.
        """
        raise NotImplementedError

    def side_by_side(self, *options: Any) -> int:
        """Networks of one model that are independent of each other, and of small operations."""
        return 1

    def check(self, built: BuiltModel, data: DataSpec) -> None:
        """Refuses what only a call of the model tells.

        Raises:
          UserError: it is no model of such data after all.
        """

    def doubts(self, model: keras.Model, data: DataSpec) -> list[str]:
        """What can be said against its `BuiltModel.full`; a sentence each."""
        return []

    def restored(self, *options: Any) -> tuple[Any, ...]:
        """The options to build a model with whose weights come from a checkpoint."""
        return options


_NOT_SINGLE = {"classes": "any number of classes", "value": "values", "heads": "several"}


class ChosenModel(NamedTuple):
    """A family with options.

    Attributes:
      family: the family.
      options: one of each kind in `family.options`.
      is_ordinal: whether classes are taken for ordinal ones.
      one_label: name of the one of several labels that is learned; empty for all there are.
    """

    family: Family
    options: tuple[Any, ...]
    is_ordinal: bool = False
    one_label: str = ""

    def label(self, input_spec: InputSpec, label: LabelSpec | None) -> LabelSpec | None:
        """See `Family.label`.

        Raises:
          UsageError: an order is asked for, and labels are no single classes; or one label, and
            there is none of that name.
        """
        found = self.family.label(input_spec, label)
        found = found and found.named(self.one_label)
        if not self.is_ordinal or found is None:
            return found
        if not found.is_single:
            raise UsageError(
                "--ordinal is for labels of one class each, the labels are "
                f"{_NOT_SINGLE[found.kind]}; leave it out"
            )
        return dataclasses.replace(found, kind="ordinal")

    def task(self, label: LabelSpec, **scoring: Any) -> Task:
        """See `Family.task`."""
        return self.family.task(label, *self.options, one_label=self.one_label, **scoring)

    def side_by_side(self) -> int:
        """See `Family.side_by_side`."""
        return self.family.side_by_side(*self.options)

    def build(self, data: DataSpec) -> BuiltModel:
        """See `Family.build`.

        Raises:
          UserError: also where the family is for other data, or the outputs are not those that the
            label needs.
        """
        from trainer.models.parts.names import fresh_names

        self._require_suitable(data)
        with fresh_names():
            built = self.family.build(data, *self.options)
        built = built if isinstance(built, BuiltModel) else BuiltModel(built)
        self._require_outputs([output.shape for output in built.full.outputs], data)
        self.family.check(built, data)
        return built

    def _require_suitable(self, data: DataSpec) -> None:
        kind, per = data.input.kind, data.label.per
        suiting = [n for n, f in families().items() if kind in f.inputs and per in f.labels]
        if kind not in self.family.inputs or per not in self.family.labels:
            raise UserError(
                f"--model={self.family.name} is for {' or '.join(self.family.inputs)} with labels "
                f"per {' or '.join(self.family.labels)}; the dataset has {kind} with labels per "
                f"{per}: leave --model out, or choose from {', '.join(suiting)}"
            )

        if data.input.beside and not self.family.joins_beside:
            joining = [name for name in suiting if families()[name].joins_beside]
            raise UserError(
                f"--model={self.family.name} takes {kind} alone, and the dataset has numbers "
                f"beside them: leave --model out, choose from {', '.join(joining)}, or convert "
                "without --beside_key"
            )

    def _require_outputs(self, found: Sequence[tuple[int | None, ...]], data: DataSpec) -> None:
        axes = ("batch",) if data.label.per == "record" else ("batch", "time")
        if [(len(shape), shape[-1]) for shape in found] != [(len(axes) + 1, data.units)]:
            from pipeline.console.texts import label_kind_text

            shown = ", ".join(str([*shape]) for shape in found)
            raise UserError(
                f"--model={self.family.name} gives {shown}, expected [{', '.join(axes)}, "
                f"{data.units}], as the label is {label_kind_text(data.label)}; use another "
                "--model, or mend its build"
            )

    def restored(self) -> ChosenModel:
        """See `Family.restored`."""
        return self._replace(options=self.family.restored(*self.options))


def option_kinds() -> tuple[type[Options], ...]:
    """The options of all families, each kind once."""
    return tuple(dict.fromkeys(kind for family in families().values() for kind in family.options))


@functools.cache
def families() -> dict[str, Family]:
    """Every family by its name, which is that of its file."""
    from trainer import models

    return {name: kind() for name, kind in classes_in(models, Family).items()}

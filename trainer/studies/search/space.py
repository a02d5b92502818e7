"""What is searched: options of the trainer with values to try, typed by their own declarations.

learning_rate=log:1e-4..1e-2   a range, by its logarithm
batch_size=4..32               a range of whole numbers, as the option takes them
model=inception_time,resnet    one of these
conv_filters=16,32|32,64       one of these lists
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, get_args, get_origin

from pipeline.console.command import lines_of
from pipeline.console.errors import UsageError
from pipeline.console.near_misses import nearest
from pipeline.console.options import Effect, fields_of, names_of, value_of, value_text
from trainer.models.family import families
from trainer.models.named import family_named
from trainer.runs.asked import AUTO, OF_ANY_MODEL, recorded

_MODEL = "model"
_LOG = "log:"
_TO = ".."
_NOT_SEARCHED = {
    "seed": "the best of several seeds is luck",
    "train_split": "folds decide",
    "validation_split": "folds decide",
}


@dataclasses.dataclass(frozen=True)
class Dimension:
    """One option, with the values to try.

    Attributes:
      name: of the option.
      text: its values, as they were given.
      choices: each as a flag takes it; empty for a range.
      low: least value of a range.
      high: greatest value.
      is_whole: whether it is a range of whole numbers.
      is_log: whether it is divided by its logarithm.
    """

    name: str
    text: str
    choices: tuple[str, ...] = ()
    low: float = 0
    high: float = 0
    is_whole: bool = False
    is_log: bool = False

    def suggest(self, trial: Any) -> str:
        """Asks a trial of Optuna for a value, as a flag takes it."""
        if self.choices:
            return trial.suggest_categorical(self.name, self.choices)
        ask = trial.suggest_int if self.is_whole else trial.suggest_float
        return value_text(ask(self.name, self.low, self.high, log=self.is_log))

    def holds(self, value: Any) -> bool:
        """Whether a value of the option is one of those to try."""
        if self.choices:
            return value_text(value) in self.choices
        return isinstance(value, int | float) and self.low <= value <= self.high

    def parameter(self, value: Any) -> Any:
        """A value of the option as Optuna has it."""
        return value_text(value) if self.choices else value


def read_space(text: str, given: Collection[str], family: str) -> tuple[Dimension, ...]:
    """Reads a space, or the file that has it; `model` comes first, for others depend on it.

    Args:
      text: parts `option=values` with blanks between them, or the name of a file with such lines.
      given: options that are on the command line, and so not searched.
      family: of models that is trained where `model` is not searched.

    Raises:
      UsageError: an option is unknown, given or twice there, or takes no such values.
    """
    is_file = text.strip() and "=" not in text
    parts = (" ".join(lines_of("space", text)) if is_file else text).split()
    named = [part.partition("=")[2].split(",") for part in parts if part.startswith(f"{_MODEL}=")]
    kinds = [kind for name in itertools.chain([family], *named) for kind in recorded(name)]
    fields = {field.name: (field, hint) for kind in kinds for field, hint in fields_of(kind)}
    found: dict[str, Dimension] = {}
    for part in parts:
        name, _, values = part.removeprefix("--").partition("=")
        _require_searchable(name, fields, given, found)
        found[name] = _dimension(name, values, *fields[name])
    if not found:
        raise UsageError(f"--space={text}: it has no options; expected some as learning_rate=1..2")
    dimensions = sorted(found.values(), key=lambda one: one.name != _MODEL)
    _require_readers(dimensions, family)
    return tuple(dimensions)


def is_read(name: str, family: str) -> bool:
    """Whether a family of models, or the trainer whatever the model, reads an option."""
    return name in names_of((*OF_ANY_MODEL, *family_named(family).options))


def _require_searchable(
    name: str, fields: Mapping[str, Any], given: Collection[str], found: Collection[str]
) -> None:
    problem = ""
    if name not in fields:
        near = nearest(name, fields)
        problem = f"is no option of the trainer{f'; did you mean {near}?' if near else ''}"
    elif name in _NOT_SEARCHED:
        problem = f"is not searched: {_NOT_SEARCHED[name]}"
    elif fields[name][0].metadata["effect"] in (Effect.FIGURES, Effect.NONE, Effect.PLACE):
        problem = "changes nothing of what is learnt; leave it out"
    elif name in given:
        problem = "is on the command line, too; leave one of them out"
    elif name in found:
        problem = "is there twice; leave one out"
    if problem:
        raise UsageError(f"--space: {name!r} {problem}")


def _dimension(name: str, text: str, field: Any, hint: Any) -> Dimension:
    """Reads the values of one option."""
    is_list = get_origin(hint) is tuple
    kinds = set() if is_list else {hint, *get_args(hint)}
    is_number, is_log = bool(kinds & {int, float}), text.startswith(_LOG)
    if not is_number or (_TO not in text and not is_log):
        return Dimension(name, text, _choices(name, text, field, hint, is_list))
    ends = text.removeprefix(_LOG).split(_TO)
    if len(ends) != 2:
        raise UsageError(f"--space: {name}={text}: expected a range, as {_LOG}1e-4{_TO}1e-2")
    low, high = (value_of(field, hint, end) for end in ends)
    if not (low < high and math.isfinite(low) and math.isfinite(high)):
        raise UsageError(f"--space: {name}={text}: expected the lesser number first")
    if is_log and low <= 0:
        raise UsageError(f"--space: {name}={text}: a logarithm needs numbers above 0")
    return Dimension(name, text, (), low, high, int in kinds, is_log)


def _choices(name: str, text: str, field: Any, hint: Any, is_list: bool) -> tuple[str, ...]:
    separator = "|" if is_list else ","
    found = tuple(value_text(value_of(field, hint, part)) for part in text.split(separator))
    if len({*found}) < 2 or len({*found}) < len(found):
        between = "| between lists" if is_list else "commas between them"
        raise UsageError(
            f"--space: {name}={text}: expected two values or more, each once, with {between}, or a "
            "range as 1..8"
        )
    return found


def _require_readers(dimensions: Sequence[Dimension], family: str) -> None:
    """Refuses options that none of the models would read, and models that are not named."""
    tried = next((one.choices for one in dimensions if one.name == _MODEL), (family,))
    if AUTO in tried:
        raise UsageError(f"--space: model={AUTO}: name the models; the first trial is {AUTO}")
    for one in dimensions:
        if not any(is_read(one.name, name) for name in tried):
            readers = [name for name in families() if is_read(one.name, name)]
            raise UsageError(
                f"--space: {one.name!r} has no effect with --model={', '.join(tried)}; leave it "
                f"out, or choose what reads it: {', '.join(readers)}"
            )

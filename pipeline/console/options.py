"""Options: dataclasses whose fields are the flags of a command.

A field says all there is to say of a flag, once: default, help, what values it takes, whether
`--help` shows it, and what it has an effect on. Flags, help, checks, near misses, flagfiles and the
identity of a run follow from the fields. No other module looks at absl's flags.
"""

import dataclasses
import enum
import inspect
import itertools
import math
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from absl import flags

from pipeline.console.errors import UsageError
from pipeline.console.near_misses import not_one_of

OptionsType = TypeVar("OptionsType", bound="Options")
REQUIRED: Any = dataclasses.MISSING


class Effect(enum.Enum):
    """What depends on an option."""

    RESULT = "what comes out"
    PLAN = "which records meet in which batch, and so what comes out"
    MEASURING = "which weights count as the best, and so what comes out"
    FIGURES = "what is measured and predicted; nothing that is trained"
    NONE = "nothing that comes out: where something is read, how often something is written"
    PLACE = "where something is written; never taken from a folder, which may be another's"


def option(
    default: Any,
    help_text: str,
    choices: Sequence[str] = (),
    *,
    low: float = -math.inf,
    high: float = math.inf,
    positive: bool = False,
    common: bool = False,
    effect: Effect = Effect.RESULT,
    parse: Callable[[str], Any] | None = None,
    lists: bool = False,
) -> Any:
    """A field of `Options`, which is a flag of the same name.

    Args:
      default: value when the flag is not given; `REQUIRED` for none.
      help_text: what `--help` says; a default is added to it.
      choices: allowed values of a text.
      low: least value of a number, or of each of several; None passes.
      high: greatest value, likewise.
      positive: whether a number must be finite and above 0; None passes.
      common: whether `--help` shows it; `--helpfull` shows all.
      effect: what depends on it.
      parse: from text to value, where the type of the field does not say it; raises ValueError.
      lists: whether a text may have several of the `choices`, with commas between.
    """
    metadata = {
        "help": help_text, "choices": tuple(choices), "low": low, "high": high,
        "positive": positive, "common": common, "effect": effect, "parse": parse,
        "lists": lists,
    }  # fmt: skip
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Options:
    """Options that check themselves; subclasses are frozen dataclasses of `option` fields.

    The first line of a subclass's docstring is the title of the flags that it adds in the help.

    Raises:
      UsageError: if a value, or a combination of values, makes no sense.
    """

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check(field, getattr(self, field.name))
        self.check()

    def check(self) -> None:
        """Checks what single fields do not say: override it for combinations.

        Raises:
          UsageError: if a combination of values makes no sense.
        """


def _check(field: Any, value: Any) -> None:
    if problem := _not_chosen(field, value):
        raise UsageError(f"--{field.name}={value}: {problem}")
    if field.metadata.get("positive") and value is not None and not 0 < value < math.inf:
        finite = "a finite" if value == math.inf else "a"
        raise UsageError(f"--{field.name}={value:g}: expected {finite} number above 0")
    low, high = field.metadata.get("low", -math.inf), field.metadata.get("high", math.inf)
    if (low, high) == (-math.inf, math.inf):
        return
    numbers = value if isinstance(value, tuple) else (value,)
    if not all(number is None or low <= number <= high for number in numbers):
        raise UsageError(f"--{field.name}={value_text(value)}: expected {_range_text(low, high)}")


def _not_chosen(field: Any, value: Any) -> str:
    """Why a value is none of the choices; empty if it is one, or there are none."""
    choices = field.metadata.get("choices")
    if not choices:
        return ""
    parts = value.split(",") if field.metadata["lists"] else [value]
    return next((not_one_of(part, choices) for part in parts if part not in choices), "")


def _range_text(low: float, high: float) -> str:
    if high == math.inf:
        return f"at least {low:g}"
    return f"at most {high:g}" if low == -math.inf else f"{low:.12g} to {high:.12g}"


def define(kinds: Iterable[type[Options]], values: flags.FlagValues) -> None:
    """Defines one flag per field of all these kinds of options."""
    for kind, declared in declarations(kinds).items():
        for field, hint in declared:
            flags.DEFINE_flag(_flag(field, hint), values, kind.__module__)


def _flag(field: Any, hint: Any) -> flags.Flag:
    name, text = field.name, field.metadata["help"]
    if hint is bool:
        return flags.BooleanFlag(name, field.default, text)
    return flags.Flag(_Parser(field, hint), None, name, None, text)


def value_of(field: Any, hint: Any, text: str) -> Any:
    """The value that a flag takes from a text.

    Raises:
      UsageError: it takes no such value.
    """
    flag = _flag(field, hint)
    try:
        flag.parse(text)
    except flags.Error as error:
        raise UsageError(str(error).removeprefix("flag ")) from error
    _check(field, flag.value)
    return flag.value


def read(kind: type[OptionsType], values: flags.FlagValues) -> OptionsType:
    """Builds options from parsed flags.

    Raises:
      UsageError: if a flag that is needed is not given, or the options refuse the values.
    """
    fields = dataclasses.fields(kind)
    given = {f.name: values[f.name].value for f in fields if values[f.name].present}
    missing = [f"--{f.name}" for f in fields if f.default is REQUIRED and f.name not in given]
    if missing:
        raise UsageError(f"{', '.join(missing)} {'are' if missing[1:] else 'is'} required")
    return kind(**given)


def refuse_unused(
    values: flags.FlagValues,
    kinds: Mapping[str, Iterable[type[Options]]],
    used: str,
    choice: str,
) -> None:
    """Refuses what is given and only another choice reads.

    Args:
      values: parsed flags.
      kinds: by each choice the kinds of options that it reads.
      used: what is chosen.
      choice: name of the flag that chooses.

    Raises:
      UsageError: if a flag is given that has no effect; the message says what reads it.
    """
    readers: dict[str, list[str]] = {}
    for name, read_kinds in kinds.items():
        for field in itertools.chain(*map(dataclasses.fields, read_kinds)):
            readers.setdefault(field.name, []).append(name)
    for flag, names in readers.items():
        if used not in names and flag in values and values[flag].present:
            raise UsageError(
                f"--{flag} has no effect with --{choice}={used}; leave it out, or choose what "
                f"reads it: {', '.join(names)}"
            )


def fill_in(
    flagfile: str, values: flags.FlagValues, kinds: Iterable[type[Options]], where: str
) -> None:
    """Sets flags that were not given on the command line from a flagfile that `flagfile_text` made.

    Those that say where something is written are left as they are.

    Args:
      flagfile: its text.
      values: takes the values.
      kinds: whose fields the flagfile may have.
      where: whose flagfile it is, for the message.

    Raises:
      UsageError: if there is no such flag, as of another version, or a value is wrong.
    """
    effects = {f.name: f.metadata["effect"] for kind in kinds for f in dataclasses.fields(kind)}
    for line in flagfile.splitlines():
        name, _, text = line.removeprefix("--").partition("=")
        if name not in effects:
            raise UsageError(
                f"{where} has --{name}, which is no flag of this version; use the version that "
                "wrote it (versions.json), or remove the line"
            )
        if effects[name] is not Effect.PLACE and not values[name].present:
            try:
                values[name].parse(text)
            except flags.Error as error:
                raise UsageError(f"{where}: {str(error).removeprefix('flag ')}") from error


def flagfile_text(options: Iterable[Options]) -> str:
    """The text of a flagfile that sets every field of the given options."""
    lines = [
        f"--{field.name}={value_text(value)}"
        for group in options
        for field in dataclasses.fields(group)
        if (value := getattr(group, field.name)) is not None
    ]
    return "\n".join(lines) + "\n"


def fields_of(kind: type[Options]) -> Iterator[tuple[Any, Any]]:
    """Every field of a kind of options with its type."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        yield field, hints[field.name]


def names_of(kinds: Iterable[type[Options]]) -> set[str]:
    """The names of all fields of these kinds."""
    return {field.name for kind in kinds for field in dataclasses.fields(kind)}


def declarations(kinds: Iterable[type[Options]]) -> dict[type[Options], list[tuple[Any, Any]]]:
    """Fields with their types by the class that adds them: what kinds inherit comes once, first.

    Raises:
      TypeError: a class is no dataclass, or two declare an option of the same name.
    """
    found: dict[type[Options], list[tuple[Any, Any]]] = {}
    owners: dict[str, type[Options]] = {}
    for base in itertools.chain.from_iterable(reversed(kind.__mro__) for kind in kinds):
        if not issubclass(base, Options) or base in found:
            continue
        if "__dataclass_fields__" not in vars(base):
            raise TypeError(f"{_place(base)} lacks @dataclasses.dataclass(frozen=True) above it")
        own = inspect.get_annotations(base)
        found[base] = [pair for pair in fields_of(base) if pair[0].name in own]
        for field, _ in found[base]:
            if (owner := owners.setdefault(field.name, base)) is not base:
                raise TypeError(
                    f"{_place(owner)} and {_place(base)} both declare --{field.name}; rename one, "
                    "or derive both from a class that has it"
                )
    return {base: fields for base, fields in found.items() if fields}


def _place(kind: type[Options]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def value_text(value: Any) -> str:
    """A value as a flag takes it."""
    if isinstance(value, tuple):
        return ",".join(map(value_text, value))
    return str(value)


class _Parser(flags.ArgumentParser):
    """From the text of one flag to the value of its field, with messages of our own."""

    def __init__(self, field: Any, hint: Any):
        self._custom = field.metadata["parse"]
        self._field = field
        self._is_tuple = typing.get_origin(hint) is tuple
        self._kind = next(
            kind for kind in (int, float, str) if hint is kind or kind in typing.get_args(hint)
        )

    def parse(self, argument: Any) -> Any:
        """Returns the value.

        Raises:
          ValueError: if the text is none; absl puts the flag before the message.
        """
        if self._custom:
            return self._custom(argument)
        if problem := _not_chosen(self._field, argument):
            raise ValueError(problem)
        if self._is_tuple:
            parts = argument.split(",") if argument else ()
            return tuple(self._number(part.strip(), "s with commas between them") for part in parts)
        return self._number(argument, "")

    def flag_type(self) -> str:
        """Of what type it is, for absl."""
        return self._kind.__name__

    def _number(self, text: str, plural: str) -> Any:
        try:
            number = self._kind(text)
        except ValueError:
            what = {int: "whole number", float: "number"}[self._kind]
            article = "" if plural else "a "
            raise ValueError(f"expected {article}{what}{plural}") from None
        if isinstance(number, int) and number.bit_length() > 63:
            raise ValueError("expected a number of fewer digits")
        return number

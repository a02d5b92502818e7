"""Defines command-line flags from frozen dataclasses, and reads them back once.

Each field of an options dataclass is one flag of the same name; its type decides how the text is
read. The help is in the field's metadata (see `option`) or in the docstring's `Attributes:`. No
other module looks at FLAGS.
"""

import dataclasses
import inspect
import math
import re
import typing
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from absl import flags

from pipeline.console.command_line import not_one_of
from pipeline.console.errors import UsageError

Options = TypeVar("Options")


def option(default: Any, help_text: str, choices: Sequence[str] | None = None) -> Any:
    """A dataclass field that is also a flag.

    Args:
      default: value when the flag is not given.
      help_text: what `--help` says.
      choices: allowed values of a text flag.
    """
    return dataclasses.field(default=default, metadata={"help": help_text, "choices": choices})


def check_range(options: Any, names: Iterable[str], low: float, high: float = math.inf) -> None:
    """Checks options that are numbers, or tuples of numbers; None passes.

    Raises:
      ValueError: if a number is not within `low` and `high`.
    """
    for name in names:
        value = getattr(options, name)
        numbers = value if isinstance(value, tuple) else (value,)
        if not all(number is None or low <= number <= high for number in numbers):
            expected = f"at least {low}" if high == math.inf else f"{low} to {high}"
            raise ValueError(f"--{name}={_text(value)}: expected {expected}")


def define(options_type: type, values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines one flag per field of an options dataclass, under the dataclass's module."""
    hints = typing.get_type_hints(options_type)
    described = _attributes(options_type)
    for field in dataclasses.fields(options_type):
        text = field.metadata.get("help") or described.get(field.name, "")
        _define_one(field, hints[field.name], text, values, options_type.__module__)


def read(options_type: type[Options], values: flags.FlagValues = flags.FLAGS) -> Options:
    """Builds the options from parsed flags.

    Raises:
      UsageError: if the dataclass refuses the values.
    """
    hints = typing.get_type_hints(options_type)
    fields = dataclasses.fields(options_type)  # type: ignore[arg-type]
    given = {f.name: _value(f.name, values[f.name].value, hints[f.name]) for f in fields}
    try:
        return options_type(**given)
    except ValueError as error:
        raise UsageError(str(error)) from error


def described(options_type: type) -> list[tuple[str, str, Any]]:
    """Name, help and default of every flag that `define` makes of an options dataclass.

    The default is a bool for flags that are given without a value, else text.
    """
    attributes = _attributes(options_type)
    found = []
    for field in dataclasses.fields(options_type):
        text = field.metadata.get("help") or attributes.get(field.name, "")
        if choices := field.metadata.get("choices"):
            text = f"{text} One of {', '.join(choices)}."
        is_bool = isinstance(field.default, bool)
        default = field.default if is_bool else _text(field.default or "")
        found.append((field.name, text, default))
    return found


def fill_in(
    flagfile: str, values: flags.FlagValues = flags.FLAGS, places: Sequence[str] = ()
) -> None:
    """Sets flags that were not given on the command line from the text of a run folder's flagfile.

    Args:
      flagfile: its text.
      values: takes the values.
      places: flags that say where something is written, which only the command line does.

    Raises:
      UsageError: if there is no such flag; the training was one of another version then.
    """
    for line in flagfile.splitlines():
        name, _, text = line.removeprefix("--").partition("=")
        if name in places:
            continue
        if name not in values:
            raise UsageError(
                f"config.flags of the run folder has --{name}, which is no flag of this version; "
                "use the version that trained it (versions.json), or remove the line"
            )
        if not values[name].present:
            values[name].parse(text)


def to_flagfile(*options: Any) -> str:
    """The text of a flagfile that sets every field of the given options."""
    lines = [
        f"--{field.name}={_text(getattr(group, field.name))}"
        for group in options
        for field in dataclasses.fields(group)
        if getattr(group, field.name) is not None
    ]
    return "\n".join(lines) + "\n"


def _attributes(options_type: type) -> dict[str, str]:
    """Help texts from the `Attributes:` section of a dataclass's docstring."""
    _, _, section = (inspect.getdoc(options_type) or "").partition("Attributes:\n")
    found = re.findall(r"^ +(\w+): (.*(?:\n {5,}\S.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def _define_one(field: Any, hint: Any, text: str, values: flags.FlagValues, module: str) -> None:
    where: dict[str, Any] = {"flag_values": values, "module_name": module}
    choices = field.metadata.get("choices")
    if choices:
        flags.DEFINE(_Choice(choices), field.name, field.default, text, **where)
    elif hint is bool:
        flags.DEFINE_bool(field.name, field.default, text, **where)
    elif _element_type(hint) is not None:
        flags.DEFINE_list(field.name, [str(item) for item in field.default], text, **where)
    else:
        _scalar_definer(hint)(field.name, field.default, text, **where)


class _Choice(flags.ArgumentParser):
    """A word of a few, with a hint where a near one was probably meant."""

    def __init__(self, choices: Sequence[str]):
        self._choices = choices

    def parse(self, argument: str) -> str:
        """Returns the word.

        Raises:
          ValueError: if it is none of them.
        """
        if argument not in self._choices:
            raise ValueError(not_one_of(argument, self._choices))
        return argument

    def flag_type(self) -> str:
        """Of what type it is, for absl."""
        return "choice"


def _scalar_definer(hint: Any) -> Any:
    for kind in (int, float, str):
        if hint is kind or kind in typing.get_args(hint):
            return {int: flags.DEFINE_integer, float: flags.DEFINE_float, str: flags.DEFINE_string}[
                kind
            ]
    raise TypeError(f"no flag for a field of type {hint}")


def _element_type(hint: Any) -> type | None:
    return typing.get_args(hint)[0] if typing.get_origin(hint) is tuple else None


def _value(name: str, value: Any, hint: Any) -> Any:
    element = _element_type(hint)
    if element is None:
        return value
    try:
        return tuple(element(item) for item in value)
    except ValueError:
        kind = {int: "whole numbers", float: "numbers"}[element]
        given = ",".join(map(str, value))
        raise UsageError(f"--{name}={given}: expected {kind} with commas between them") from None


def _text(value: Any) -> str:
    return ",".join(str(item) for item in value) if isinstance(value, tuple) else str(value)

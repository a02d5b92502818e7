"""What the arrays of npz, HDF5 and MAT files are, by their names and shapes."""

import collections
import contextlib
import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

from pipeline.console.errors import RejectedInputError
from pipeline.sources.guessing.readings import Guess, Reading, digits, take_rate
from pipeline.sources.kinds.arrays import ArraySource
from pipeline.sources.kinds.signals import SignalSource
from pipeline.sources.source import Source

_RATES = ("rate_hz", "sample_rate", "sampling_rate", "fs", "sr", "rate")
_GROUPS = ("subject", "speaker", "participant", "patient", "person", "who")
_LABELS = ("label", "y")
_MAX_CHANNELS_FIRST = 64
_EXAMPLES = 5
_SHOWN_ARRAYS, _MANY = 20, 5


def guess_from_arrays(source: SignalSource, paths: Sequence[str], guess: Guess) -> bool:
    """Adds which arrays are what.

    Args:
      source: reads the files.
      paths: of some of them.
      guess: takes the flags.

    Returns:
      Whether there are labels.
    """
    shapes, floats, values, looked_into = _look(source, paths)
    if not shapes:
        guess.facts.append("none of the inputs that were looked into can be read")
        return False
    some = [f"{key} {[*found[0]]}" for key, found in shapes.items()]
    guess.facts.append(", ".join(["arrays: " + some[0], *some[1:_SHOWN_ARRAYS]]))
    shapes = {k: found for k, found in shapes.items() if len(found) == looked_into} or shapes
    values = {k: found for k, found in values.items() if len(found) == looked_into}
    signal = _signal(shapes, floats, guess, is_named=_has_many(source))
    if signal and _is_channels_first(shapes[signal]):
        guess.take("", [Reading(("--time_axis=1",), "time is the second axis")])
    rates = {key: found for key, found in values.items() if all(map(_is_rate, found))}
    _named(rates, _RATES, lambda key, rate: f"--sample_rate_hz={digits(rate)}", "rate", guess)
    _unlike_rates(rates, guess)
    _named(values, _GROUPS, lambda key, _: f"--group_key={key}", "group", guess)
    label = next((key for key in _LABELS if key in shapes), "")
    if label and all(isinstance(x, float) and x.is_integer() for x in values.get(label, [""])):
        kinds = {"record_class": "a class", "record_value": "a value"}
        readings = [Reading((f"--label_kind={k}",), f"label: {label}, {kinds[k]}") for k in kinds]
        guess.take("Are the whole numbers classes or values?", readings)
    return bool(label)


def _look(
    source: SignalSource, paths: Sequence[str]
) -> tuple[dict[str, list[tuple[int, ...]]], set[str], dict[str, list[Any]], int]:
    """Shapes of arrays, which are floats, values of those without axes, and how many were read."""
    shapes: dict[str, list[tuple[int, ...]]] = collections.defaultdict(list)
    floats: set[str] = set()
    values: dict[str, list[Any]] = collections.defaultdict(list)
    looked_into = 0
    for path in paths:
        with contextlib.suppress(RejectedInputError), source.open_input(path) as file:
            looked_into += 1
            for key in file.keys:
                with contextlib.suppress(RejectedInputError):
                    header = file.header(key)
                    shapes[key].append(header.shape)
                    floats.update({key} if header.dtype.kind == "f" else ())
                    if not header.shape:
                        values[key].append(file.array(key).item())
    return shapes, floats, values, looked_into


def recordings_within(source: Source, paths: Sequence[str], guess: Guess) -> Source:
    """Of files in which groups are recordings a source of these, else the same one.

    Args:
      source: reads the files.
      paths: of them.
      guess: takes the flag.
    """
    if not isinstance(source, ArraySource):
        return source
    shapes, *_ = _look(source, paths[:_EXAMPLES])
    names: collections.Counter[str] = collections.Counter()
    for key, found in shapes.items():
        group, _, name = key.rpartition("/")
        names[name] += bool(group) and name not in _LABELS and max(found[0], default=0) > 1
    if not names or names.most_common(1)[0][1] < 2:
        return source
    key, count = names.most_common(1)[0]
    many = Reading(("--many_per_file",), f"a recording each group with an array {key}")
    readings = [many, Reading((), "a recording each file")]
    guess.take("Are there many recordings in a file?", readings[: 2 if count < _MANY else 1])
    options = dataclasses.replace(source.options, many_per_file=True, signal_key=key)
    return dataclasses.replace(source, options=options)


def _has_many(source: SignalSource) -> bool:
    return isinstance(source, ArraySource) and source.options.many_per_file


def _unlike_rates(rates: dict[str, list[Any]], guess: Guess) -> None:
    for key, found in rates.items():
        if key.lower() in _RATES and len({*found}) > 1:
            guess.flags.append(f"--rate_key={key}")
            take_rate({*map(float, found)}, guess)
            return


def _is_rate(value: Any) -> bool:
    return isinstance(value, int | float) and 0 < value < math.inf


def _signal(
    shapes: dict[str, list[tuple[int, ...]]], floats: set[str], guess: Guess, *, is_named: bool
) -> str:
    large = [k for k, s in shapes.items() if s[0] and max(s[0]) > 1 and k not in _LABELS]
    readings = [Reading((f"--signal_key={key}",), f"signal: array {key}") for key in large]
    together = [key for key in large if key in floats and "," not in key]
    if len(together) > 1:
        why = f"signal: arrays {', '.join(together)} as one; of unlike rates with --signal_rates_hz"
        readings.append(Reading((f"--signal_key={','.join(together)}",), why))
    if len(large) > 1 or is_named:
        guess.take("Which array is the signal?", readings)
    return large[0] if large else ""


def _is_channels_first(shapes: Sequence[tuple[int, ...]]) -> bool:
    """Whether the first axis is short and the same in all, and the second long or of any length."""
    if not all(len(shape) == 2 for shape in shapes):
        return False
    first, second = zip(*shapes, strict=True)
    is_short = len({*first}) == 1 and first[0] <= _MAX_CHANNELS_FIRST
    return is_short and min(second) > first[0] and (len({*second}) > 1 or second[0] > 8 * first[0])


def _named(
    values: dict[str, list[Any]],
    names: Sequence[str],
    flag: Callable[[str, Any], str],
    what: str,
    guess: Guess,
) -> None:
    for key, found in values.items():
        is_constant = len({*found}) == 1
        if key.lower() in names and (is_constant or what == "group"):
            some = ", ".join(map(str, sorted({*map(str, found)})[:_EXAMPLES]))
            guess.take("", [Reading((flag(key, found[0]),), f"{what}: array {key} ({some})")])
            return

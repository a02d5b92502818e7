"""How the samples of several signals stand in rows that all of them share.

A row is as long as a sample at the greatest rate that all signals have in common, and holds every
sample of each signal that falls into it, one after the other (space to depth): of 100 Hz and 50 Hz
two of the first, then one of the second.
"""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from pipeline.console.errors import RejectedInputError
from tfrecords_schema.channels import MOST_FEATURES

_MOST_VALUES = 4096  # Of a row: wider ones come of rates that have next to nothing in common.


class Signal(NamedTuple):
    """One signal of a recording.

    Attributes:
      key: its name.
      shape: `[samples]` or `[samples, channels]`, or of steps `[steps, samples, channels]`; empty
        where the recording lacks it.
      rate_hz: samples per second; 0 if it is not known.
      channels: how many it has, where it may be missing; else 0.
    """

    key: str
    shape: tuple[int, ...]
    rate_hz: float
    channels: int = 0


class Layout(NamedTuple):
    """The rows of a recording.

    Attributes:
      is_cut: whether the recording is cut in steps; else it is one.
      steps: how many.
      rows: of a step.
      per_row: samples of each signal in a row.
      channels: of each signal.
      rate_hz: rows per second; 0 if it is not known.
      dropped: samples behind the last row that all signals have.
    """

    is_cut: bool
    steps: int
    rows: int
    per_row: tuple[int, ...]
    channels: tuple[int, ...]
    rate_hz: float
    dropped: int

    @property
    def widths(self) -> list[int]:
        """Values of each signal in a row."""
        return [n * channels for n, channels in zip(self.per_row, self.channels, strict=True)]

    @property
    def shape(self) -> tuple[int, ...]:
        """`[rows, values]`, or `[steps, rows, values]`."""
        shape = (self.rows, sum(self.widths))
        return (self.steps, *shape) if self.is_cut else shape


def common_rate(rates_hz: Sequence[float]) -> tuple[Fraction, list[int]]:
    """The greatest rate of which all are whole multiples, and these multiples.

    Rates count as the decimal numbers that they are written as: of 100 and 50 Hz it is 50, of 128
    and 100 Hz 4, of 33.3 and 100 Hz 0.1.
    """
    exact = [Fraction(repr(float(rate))) for rate in rates_hz]
    unit = math.lcm(*(rate.denominator for rate in exact))
    common = Fraction(math.gcd(*(int(rate * unit) for rate in exact)), unit)
    return common, [int(rate / common) for rate in exact]


def layout_of(signals: Sequence[Signal], *, are_windows_cut: bool) -> Layout:
    """How signals stand in rows together.

    Args:
      signals: at least one of them is there.
      are_windows_cut: whether they are continuous and will be cut in windows; else arrays of three
        axes, or of two with a second one that is long or lasts equally long, are cut in steps.

    Raises:
      RejectedInputError: if they do not last equally long, within a row, or are no such arrays.
    """
    there = [signal for signal in signals if signal.shape]
    is_cut = not are_windows_cut and (any(map(_is_of_steps, there)) or _last_alike(there))
    shapes = {signal.key: _full_shape(signal, is_cut) for signal in there}
    channels = tuple(shapes[s.key][2] if s.shape else s.channels for s in signals)
    for signal, count in zip(signals, channels, strict=True):
        if signal.channels not in (0, count):
            raise RejectedInputError(
                f"array {signal.key!r} has {count} channels, --signal_channels={signal.channels}; "
                "repair it, or give another number"
            )
    lengths = {key: shape[1] for key, shape in shapes.items()}
    per_row, rate_hz = _samples_per_row(signals, lengths, is_cut)
    steps = {key: shape[0] for key, shape in shapes.items()}
    if len({*steps.values()}) > 1:
        raise RejectedInputError(
            f"its signals have unlike numbers of steps ({_each(steps)}); give all the same"
        )
    of_key = {signal.key: count for signal, count in zip(signals, per_row, strict=True)}
    rows = _rows(lengths, of_key, rate_hz, is_cut)
    dropped = sum(length - rows * of_key[key] for key, length in lengths.items())
    found = Layout(is_cut, max(steps.values()), rows, per_row, channels, rate_hz, dropped)
    if sum(found.widths) > _MOST_VALUES:
        raise RejectedInputError(
            f"a row of its signals ({_each(dict(zip(of_key, per_row, strict=True)))} samples) has "
            f"{sum(found.widths)} values, more than {_MOST_VALUES}: their greatest common rate is "
            f"{rate_hz:g} Hz; bring all to one rate with --resample_hz"
        )
    return found


def _is_of_steps(signal: Signal) -> bool:
    shape = signal.shape
    return len(shape) == 3 or (len(shape) == 2 and shape[1] > MOST_FEATURES)


def _last_alike(signals: Sequence[Signal]) -> bool:
    """Whether signals of unlike rates are as many steps, of samples that last equally long."""
    if not all(signal.rate_hz and len(signal.shape) == 2 for signal in signals):
        return False
    steps = {(s.shape[0], s.shape[1] / Fraction(repr(float(s.rate_hz)))) for s in signals}
    return len(steps) == 1 and len({signal.rate_hz for signal in signals}) > 1


def _full_shape(signal: Signal, is_cut: bool) -> tuple[int, int, int]:
    """`(steps, samples, channels)`; what is continuous is one step."""
    shape = signal.shape if is_cut else (1, *signal.shape)
    shape = (*shape, 1) if len(shape) == 2 else shape
    if len(shape) != 3 or 0 in shape:
        kinds = "[steps, samples, channels], as others are" if is_cut else (
            "[samples] or [samples, channels], with a sample at least"
        )  # fmt: skip
        raise RejectedInputError(
            f"array {signal.key!r} (--signal_key) has shape {[*signal.shape]}; expected {kinds}"
        )
    return shape[0], shape[1], shape[2]


def _samples_per_row(
    signals: Sequence[Signal], lengths: dict[str, int], is_cut: bool
) -> tuple[tuple[int, ...], float]:
    rates = [signal.rate_hz for signal in signals]
    if all(rates):
        common, per_row = common_rate(rates)
        return tuple(per_row), float(common)
    if is_cut:
        rows = math.gcd(*lengths.values())
        return tuple(lengths[signal.key] // rows for signal in signals), 0.0
    if len({*lengths.values()}) > 1:
        raise RejectedInputError(
            f"its signals have unlike lengths ({_each(lengths)} samples); if their rates differ, "
            "give one for each with --signal_rates_hz"
        )
    return (1,) * len(signals), 0.0


def _rows(lengths: dict[str, int], per_row: dict[str, int], rate_hz: float, is_cut: bool) -> int:
    """Rows that all signals have; they may differ by up to one, in a step not at all."""
    rows = {key: Fraction(length, per_row[key]) for key, length in lengths.items()}
    least = min(rows.values())
    if least >= 1 and max(rows.values()) - least <= (0 if is_cut else 1):
        return int(least)
    what = "are too short, or " if least < 1 else ""
    lasting = _each({key: _duration(count, rate_hz) for key, count in rows.items()})
    raise RejectedInputError(
        f"its signals {what}do not last equally long within a row of "
        f"{_duration(Fraction(1), rate_hz)} ({lasting}); check --signal_rates_hz, cut them alike, "
        "or remove it"
    )


def _duration(rows: Fraction, rate_hz: float) -> str:
    return f"{float(rows) / rate_hz:.6g} s" if rate_hz else f"{float(rows):g} rows"


def _each(values: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())

"""Values in the place of gaps."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.console.errors import RejectedInputError
from pipeline.sources.gaps.options import GapOptions
from pipeline.sources.narrowing import cast
from pipeline.sources.source import Stretch
from tfrecords_schema.left_out import LeftOut

_TOLERANCE = 1e-6  # Of a sample.


class Closed(NamedTuple):
    """A signal in which gaps are closed, if they shall be.

    Attributes:
      values: `[samples, ...]`.
      are_gaps: of which samples something is missing, `[samples]` bool; None if nothing is.
      changed: number of values that were put there.
    """

    values: np.ndarray
    are_gaps: np.ndarray | None = None
    changed: int = 0


def close_gaps(
    values: np.ndarray,
    dtype: str,
    options: GapOptions,
    rate_hz: float,
    channels: Sequence[int] = (),
) -> Closed:
    """Does what `--non_finite` says; what shall be rejected or split is as it was.

    Args:
      values: `[samples, ...]`.
      dtype: in which they will be stored; what that cannot hold is a gap, too.
      options: what to do.
      rate_hz: samples per second; 0 if unknown.
      channels: number of each column in the file; those of the columns if not given.

    Raises:
      RejectedInputError: if a gap is too long, or a channel has nothing else.
    """
    if values.dtype.kind != "f" or not options.closes_gaps:
        return Closed(values)
    missing = ~np.isfinite(cast(values, dtype))
    if not missing.any():
        return Closed(values)
    are_gaps = missing.reshape(len(missing), -1).any(axis=1)
    if options.non_finite == "zero":
        found = np.where(missing, values.dtype.type(0), values)
    else:
        _require_short(are_gaps, options.max_fill_secs, rate_hz)
        found = _filled(values, missing, channels, is_masked=options.adds_mask)
    return Closed(found, are_gaps, int(missing.sum()))


def said_of(changed: int, options: GapOptions) -> tuple[LeftOut, ...]:
    """What is said of so many values."""
    what = "0" if options.non_finite == "zero" else "on a line between those around"
    why = f"NaN or infinity, {what} now (--non_finite={options.non_finite})"
    return (LeftOut("value", why, changed),) if changed else ()


def runs(flags: np.ndarray) -> np.ndarray:
    """First index and end of each run of true, `[runs, 2]`."""
    edges = np.flatnonzero(np.diff(flags, prepend=False, append=False))
    return edges.reshape(-1, 2)


def stretches_of(are_gaps: np.ndarray, first: int) -> Sequence[Stretch]:
    """The stretches between gaps.

    Args:
      are_gaps: `[samples]` bool.
      first: number of the first of these samples in the file.
    """
    return [Stretch(first + int(start), first + int(stop)) for start, stop in runs(~are_gaps)]


def _require_short(are_gaps: np.ndarray, max_secs: float | None, rate_hz: float) -> None:
    if max_secs is None:
        return
    if not rate_hz:
        raise RejectedInputError(
            "its rate is not known, which --max_fill_secs needs; give --sample_rate_hz"
        )
    longest = int(np.diff(runs(are_gaps)).max())
    if longest > max_secs * rate_hz + _TOLERANCE:
        raise RejectedInputError(
            f"a gap of {longest / rate_hz:g} s, longer than --max_fill_secs={max_secs:g}; allow "
            "more, use --non_finite=split, or remove it"
        )


def _filled(
    values: np.ndarray, missing: np.ndarray, channels: Sequence[int], *, is_masked: bool
) -> np.ndarray:
    found = values.reshape(len(values), -1).copy()
    gaps = missing.reshape(found.shape)
    for column in np.flatnonzero(gaps.any(axis=0)):
        holes, rest = np.flatnonzero(gaps[:, column]), np.flatnonzero(~gaps[:, column])
        if not len(rest) and not is_masked:
            number = channels[int(column)] if channels else column
            raise RejectedInputError(
                f"channel {number} has nothing but NaN, between which no line can be; leave it "
                "out with --channels, or remove the recording"
            )
        known = found[rest, column]
        found[holes, column] = np.interp(holes, rest, known) if len(rest) else 0
    return found.reshape(values.shape)

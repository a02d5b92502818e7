"""Rows with times, as samples of a regular clock."""

import dataclasses
import functools
import math

import numpy as np

from pipeline.console.errors import RejectedInputError
from pipeline.sources.gaps.closing import runs

_MOST = 1e12  # Seconds in a recording, and rows in a second.
_MAX_JITTER = 0.1  # Of the time between two rows, as it mostly is.
_CLOCK_ERROR = 5e-4  # Of a rate: recordings by clocks that differ less have the same.
_USUAL_GAPS = 10
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # How many are a second.


@dataclasses.dataclass(frozen=True)
class Clock:
    """Where the samples of a regular clock are among rows; nothing is as long as it until asked.

    Attributes:
      places: of each row, in samples from the first row on, growing; `[rows]`.
      rate_hz: samples per second.
      samples: number of samples.
      longest: samples from one row to the next, of which more are a gap.
    """

    places: np.ndarray
    rate_hz: float
    samples: int
    longest: float

    @functools.cached_property
    def rows(self) -> np.ndarray:
        """For each sample the last row at its time or before, `[samples]`."""
        return np.searchsorted(self.places, np.arange(self.samples), side="right") - 1

    def values(self, column: np.ndarray) -> np.ndarray:
        """A column at the samples: on lines between rows, NaN in gaps; float64 `[samples]`."""
        samples = np.arange(self.samples)
        found = np.interp(samples, self.places, column)
        for first, stop in runs(np.diff(self.places) > self.longest):
            for before in range(first, stop):
                left, right = self.places[before : before + 2]
                found[math.floor(left) + 1 : math.ceil(right)] = np.nan
        return found


def clock_of(
    times: np.ndarray,
    resample_hz: float | None,
    max_gap_secs: float | None,
    *,
    has_gaps: bool,
    unit: str = "s",
) -> Clock:
    """The clock of rows.

    Args:
      times: of each row, as numbers or as dates, growing.
      resample_hz: samples per second, where rows need not be regular.
      max_gap_secs: a longer time between rows is a gap then; 10 times the usual one if not given.
      has_gaps: whether there may be gaps.
      unit: of times that are numbers, one of `UNITS`.

    Raises:
      RejectedInputError: if there are gaps, or no regular rows, where there must be.
    """
    secs = _seconds(times, unit)
    if len(secs) < 2:
        raise RejectedInputError("one row alone has no rate; remove it")
    between = np.diff(secs)
    usual = float(np.median(between))
    if not resample_hz:
        return _clock_of_regular(secs, usual, has_gaps=has_gaps)
    longest = max_gap_secs or _USUAL_GAPS * usual
    if between.max() > longest and not has_gaps:
        raise RejectedInputError(
            f"between two rows are {between.max():g} s, more than {longest:g}; cut it there, "
            "say with --non_finite what becomes of gaps, or allow more with --max_gap_secs"
        )
    places = (secs - secs[0]) * resample_hz
    return Clock(places, resample_hz, math.floor(places[-1] + 1e-6) + 1, longest * resample_hz)


def _clock_of_regular(secs: np.ndarray, usual: float, *, has_gaps: bool) -> Clock:
    between = np.diff(secs)
    if has_gaps:  # The mean of times that are rounded, without those of gaps.
        usual = float(between[between < 1.5 * usual].mean())
    steps = np.rint(between / usual) if has_gaps else np.ones(len(between))
    jitter = np.abs(between - usual)[steps == 1]
    if steps.min() < 1 or jitter.max(initial=0) > _MAX_JITTER * usual:
        raise RejectedInputError(
            f"between rows are {between.min():g} to {between.max():g} s, no regular clock; "
            "make it one with --resample_hz, or say with --non_finite what becomes of gaps"
        )
    places = np.concatenate([[0.0], np.cumsum(steps)])
    around = places - places.mean()
    rate_hz = nominal_rate(float((around @ around) / (around @ secs)))
    return Clock(places, rate_hz, int(places[-1]) + 1, 1.5)


def _seconds(times: np.ndarray, unit: str) -> np.ndarray:
    """Times as float64 seconds that grow, from any moment on.

    Raises:
      RejectedInputError: if they are no times, or do not grow.
    """
    if times.dtype.kind in "mM":
        times = (times - times[:1]) / np.timedelta64(1, "s")
    elif unit != "s" and times.dtype.kind in "iuf":
        if times.dtype.kind != "f":  # Nanoseconds since 1970 have more digits than float64.
            times = times.astype(np.int64) - int(times[:1].sum())
        times = times / UNITS[unit]
    if times.dtype.kind not in "iuf":
        raise RejectedInputError(
            f"--time_column holds {times.dtype}; expected numbers, or dates with times"
        )
    times = times.astype(np.float64)
    with np.errstate(over="ignore"):
        between, span = np.diff(times), np.ptp(times) if len(times) else 0.0
    if not np.isfinite(times).all() or (between <= 0).any():
        raise RejectedInputError(
            "--time_column has rows without a time, or with none that is later than that before; "
            "sort or repair it"
        )
    if span >= _MOST or (len(between) and between.min() <= 1 / _MOST):
        raise RejectedInputError(
            f"--time_column has rows that are {between.min():g} s apart, all in {span:g} s; "
            "repair it, or say its --time_unit"
        )
    return times


def nominal_rate(rate_hz: float) -> float:
    """The rate that a clock was made for: a whole number of Hz, or else that of fewest digits.

    Args:
      rate_hz: as measured; the result is within 0.05% of it.
    """
    by_digits = (float(f"{rate_hz:.{digits}g}") for digits in range(1, 6))
    likely = (float(round(rate_hz)), *by_digits)
    return next(found for found in likely if abs(found - rate_hz) <= _CLOCK_ERROR * rate_hz)

"""From one rate to another, without delay."""

import functools
from fractions import Fraction

import numpy as np

from pipeline.console.errors import RejectedInputError
from pipeline.sources.recordings.libraries import library

_MAX_FACTOR = 100_000  # The filter has 20 taps for each; what needs more is no rate.
_HALF_TAPS = 10


@functools.lru_cache(maxsize=1024)  # A set has few rates; a fraction takes as long as a header.
def ratio(from_hz: float, to_hz: float) -> Fraction:
    """`to_hz / from_hz` as the nearest fraction of numbers up to 100,000.

    Of rates with few digits that is exact: 44,100 to 128 Hz is 32 / 11,025.

    Raises:
      RejectedInputError: if the rates are too far apart to be rates of one signal.
    """
    exact = Fraction(repr(float(to_hz))) / Fraction(repr(float(from_hz)))
    found = exact.limit_denominator(max(1, int(_MAX_FACTOR / max(exact, Fraction(1)))))
    if not found or max(found.numerator, found.denominator) > _MAX_FACTOR:
        raise RejectedInputError(
            f"its rate is {from_hz:g} Hz, too far from --resample_hz={to_hz:g}; remove it"
        )
    return found


def resampled_length(samples: int, factor: Fraction) -> int:
    """Samples of a signal with another rate: `ceil(samples * factor)`."""
    return -(-samples * factor.numerator // factor.denominator)


def resampled(signal: np.ndarray, factor: Fraction) -> np.ndarray:
    """A signal at another rate, by a polyphase filter whose delay is taken out again.

    The filter is that of `scipy.signal.resample_poly` (Kaiser, 5.0), computed in float64. Sample k
    is at the time of sample `k / factor` of the signal; before and behind it are zeros.

    Args:
      signal: `[samples, channels]`.
      factor: from `ratio`.

    Returns:
      `[resampled_length(samples, factor), channels]` float32.
    """
    if factor == 1:
        return signal.astype(np.float32)
    polyphase = library("scipy.signal", "audio").resample_poly
    length = resampled_length(len(signal), factor)
    found = np.empty((length, signal.shape[1]), np.float32)
    for channel in range(signal.shape[1]):  # In float64 there is one at a time.
        values = signal[:, channel].astype(np.float64)
        found[:, channel] = polyphase(
            values, factor.numerator, factor.denominator, window=_filter(factor)
        )
    return found


@functools.lru_cache(maxsize=8)
def _filter(factor: Fraction) -> np.ndarray:
    """The one that `resample_poly` would make for every signal anew, `[taps]` float64."""
    most = max(factor.numerator, factor.denominator)
    taps = 2 * _HALF_TAPS * most + 1
    return library("scipy.signal", "audio").firwin(taps, 1 / most, window=("kaiser", 5.0))

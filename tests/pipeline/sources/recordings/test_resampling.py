"""Another rate: lengths by the rule, values as scipy has them, no delay."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.console.errors import RejectedInputError
from pipeline.sources.recordings.resampling import ratio, resampled, resampled_length
from tests.optional import optional_library

scipy_signal = optional_library("scipy.signal")
_RATES = st.sampled_from([50.0, 100.0, 125.0, 128.0, 250.0, 256.0, 360.0, 44.1, 62.4725])


@settings(max_examples=200, deadline=None)
@given(_RATES, _RATES, st.integers(1, 400))
def test_lengths_follow_the_rule_and_values_are_scipys(
    from_hz: float, to_hz: float, samples: int
) -> None:
    factor = ratio(from_hz, to_hz)
    assert abs(float(factor) - to_hz / from_hz) < 1e-7
    signal = np.random.default_rng(samples).normal(size=(samples, 2)).astype(np.float32)
    found = resampled(signal, factor)
    assert found.shape == (resampled_length(samples, factor), 2)
    assert len(found) == math.ceil(samples * factor)
    expected = signal
    if factor != 1:
        expected = scipy_signal.resample_poly(
            signal.astype(np.float64), factor.numerator, factor.denominator, axis=0
        )
    np.testing.assert_array_equal(found, expected.astype(np.float32))


@pytest.mark.parametrize(("from_hz", "to_hz"), [(1000, 400), (360, 500), (44_100, 16_000)])
def test_a_chirp_stays_where_it_is(from_hz: float, to_hz: float) -> None:
    secs = 2.0
    lowest = min(from_hz, to_hz)

    def chirp(rate_hz: float) -> np.ndarray:
        times = np.arange(int(secs * rate_hz)) / rate_hz
        return np.cos(2 * np.pi * (0.01 * lowest * times + 0.08 * lowest / secs * times**2))

    found = resampled(chirp(from_hz)[:, np.newaxis], ratio(from_hz, to_hz))[:, 0]
    expected = chirp(to_hz)
    inside = slice(int(0.1 * to_hz), int(-0.1 * to_hz))
    assert np.abs(found[: len(expected)][inside] - expected[inside]).max() < 0.01
    lags = range(-3, 4)
    fits = [np.dot(np.roll(found[: len(expected)], lag)[inside], expected[inside]) for lag in lags]
    assert lags[int(np.argmax(fits))] == 0


@pytest.mark.parametrize(("from_hz", "to_hz"), [(1e-9, 100.0), (1e12, 1.0), (1.0, 1e9)])
def test_what_is_no_rate_makes_no_endless_filter(from_hz: float, to_hz: float) -> None:
    with pytest.raises(RejectedInputError, match="too far from --resample_hz"):
        ratio(from_hz, to_hz)


def test_decimal_rates_are_exact_fractions() -> None:
    assert ratio(0.1, 0.3) == 3
    assert ratio(44_100, 16_000) == Fraction(160, 441)

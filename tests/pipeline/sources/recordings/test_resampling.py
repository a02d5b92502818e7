"""Another rate: lengths by the rule, values as scipy has them, no delay."""

from fractions import Fraction

import numpy as np
import pytest

from pipeline.console.errors import RejectedInputError
from pipeline.sources.recordings.resampling import ratio, resampled, resampled_length
from tests.optional import optional_library

scipy_signal = optional_library("scipy.signal")
_COMMON_HZ = (50, 100, 125, 128, 250, 256, 360, 44.1, 62.5, 8000, 11_025, 16_000, 44_100)


def _draw(number: int) -> tuple[float, float, int]:
    """Two rates, half of them common ones, and a length."""
    rng = np.random.default_rng(number)
    drawn = [round(float(10 ** rng.uniform(0, 3)), int(rng.integers(0, 3))) for _ in range(2)]
    common = rng.choice(_COMMON_HZ, 2).tolist()
    from_hz, to_hz = common if number % 2 else drawn
    return from_hz, to_hz, int(rng.integers(1, 300))


def test_lengths_delays_and_values_are_right_for_a_thousand_rates() -> None:
    compared = 0
    for number in range(1000):
        from_hz, to_hz, samples = _draw(number)
        factor = ratio(from_hz, to_hz)
        exact = Fraction(repr(to_hz)) / Fraction(repr(from_hz))
        most = max(exact.numerator, exact.denominator)
        assert factor == exact or (most > 100_000 and abs(factor / exact - 1) < 1e-7)
        # All times k / to_hz that are before the end.
        length = resampled_length(samples, factor)
        assert (length - 1) / factor < samples <= length / factor, (from_hz, to_hz, samples)
        if max(factor.numerator, factor.denominator) > 500:  # Their filters take too long here.
            continue
        compared += 1
        signal = np.random.default_rng(number).normal(size=(samples, 1)).astype(np.float32)
        expected = (
            scipy_signal.resample_poly(
                signal.astype(np.float64), factor.numerator, factor.denominator, axis=0
            )
            if factor != 1
            else signal
        )
        found = resampled(signal, factor)
        np.testing.assert_array_equal(found, expected.astype(np.float32))
        assert len(found) == length
        _require_no_delay(factor, from_hz, to_hz)
    assert compared > 400


def _require_no_delay(factor: Fraction, from_hz: float, to_hz: float) -> None:
    """A bump, as wide as the slower rate can have it, stays where it is."""
    slower_hz, center, half_width = min(from_hz, to_hz), 10.3, 2.5
    times = np.arange(int(20 * from_hz / slower_hz)) / from_hz
    bump = np.exp(-(((times * slower_hz - center) / half_width) ** 2))
    found = resampled(bump[:, np.newaxis], factor)[:, 0].astype(np.float64)
    places = np.arange(len(found)) / to_hz * slower_hz
    assert abs(found @ places / found.sum() - center) < 0.05, (from_hz, to_hz)
    expected = np.exp(-(((places - center) / half_width) ** 2))
    assert np.abs(found - expected).max() < 0.01, (from_hz, to_hz)


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

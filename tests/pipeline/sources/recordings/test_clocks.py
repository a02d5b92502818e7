"""Rows that are missing, and rows at any times: what is a gap on a regular clock."""

import numpy as np
import pytest

from pipeline.console.errors import RejectedInputError
from pipeline.sources.recordings.clocks import clock_of


@pytest.mark.parametrize("seed", range(10))
def test_rows_that_are_missing_are_gaps_of_a_regular_clock(seed: int) -> None:
    rng = np.random.default_rng(seed)
    there = rng.random(300) < 0.8
    there[[0, -1]] = True
    rows = np.flatnonzero(there)
    times = np.round(5 + rows / 60, 3)  # To the millisecond: 16 or 17 between rows.
    clock = clock_of(times, None, None, has_gaps=True)
    assert (clock.rate_hz, clock.samples) == (60, 300)
    found = clock.values(rows.astype(float))
    np.testing.assert_array_equal(found, np.where(there, np.arange(300.0), np.nan))
    assert rows[clock.rows].tolist() == [rows[rows <= i].max() for i in range(300)]
    with pytest.raises(RejectedInputError, match=r"no regular clock; .* or say with --non_finite"):
        clock_of(times, None, None, has_gaps=False)


def test_on_a_clock_of_its_own_only_long_times_between_rows_are_gaps() -> None:
    times = np.array([0, 1, 2.5, 6, 7])
    clock = clock_of(times, 2.0, 2.0, has_gaps=True)
    expected = [0, 0.5, 1, 1.5, 2, 2.5, *[np.nan] * 6, 6, 6.5, 7]
    np.testing.assert_allclose(clock.values(times), expected)
    assert clock.rows.tolist() == [0, 0, 1, 1, 1, *[2] * 7, 3, 3, 4]
    whole = clock_of(times, 2.0, None, has_gaps=False)  # 10 times the usual one is none here.
    np.testing.assert_allclose(whole.values(times), np.arange(15) / 2)
    with pytest.raises(RejectedInputError, match=r"are 3\.5 s, more than 2; cut it there"):
        clock_of(times, 2.0, 2.0, has_gaps=False)


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
@pytest.mark.parametrize(("unit", "count"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_numbers_are_times_in_any_unit(unit: str, count: int, dtype: type) -> None:
    secs = np.array([0, 2, 3, 7])
    clock = clock_of((secs * count).astype(dtype), 1.0, 5.0, has_gaps=False, unit=unit)
    assert clock.values(secs.astype(float)).tolist() == [*range(8)]


def test_nanoseconds_since_1970_keep_all_their_digits() -> None:
    times = np.array([0, 100, 200, 301], np.uint64) + np.uint64(1_424_696_631_913_248_573)
    clock = clock_of(times, 1e7, None, has_gaps=False, unit="ns")
    np.testing.assert_allclose(clock.places, [0, 1, 2, 3.01], rtol=1e-12)
    with pytest.raises(RejectedInputError, match="with none that is later than that before"):
        clock_of(times[::-1], 1e7, None, has_gaps=False, unit="ns")
    dates = times.astype("datetime64[ns]")
    assert clock_of(dates, 1e7, None, has_gaps=False, unit="ns").samples == clock.samples


@pytest.mark.parametrize("secs", [[0, 1e-320, 2e-320], [-1e308, 0, 1e308], [0, 1, 1e13]])
@pytest.mark.parametrize("resample_hz", [None, 2.0])
def test_times_of_no_recording_are_refused(secs: list[float], resample_hz: float | None) -> None:
    with pytest.raises(
        RejectedInputError, match=r"s apart, all in .* s; repair it, or say its --time_unit"
    ):
        clock_of(np.array(secs), resample_hz, None, has_gaps=True)

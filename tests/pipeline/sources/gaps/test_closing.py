"""Gaps closed, against a plain loop; what cannot be filled is rejected."""

import numpy as np
import pytest

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.sources.gaps.closing import close_gaps, runs
from pipeline.sources.gaps.options import GapOptions


def _line(column: np.ndarray, index: int) -> float:
    """The value at a place on the line between those around it that are numbers."""
    known = [i for i in range(len(column)) if np.isfinite(column[i])]
    before = [i for i in known if i <= index]
    after = [i for i in known if i >= index]
    if not before or not after:
        return column[after[0] if after else before[-1]]
    low, high = before[-1], after[0]
    share = (index - low) / (high - low) if high > low else 0
    return column[low] + share * (column[high] - column[low])


@pytest.mark.parametrize("shape", [(40,), (40, 3), (40, 2, 2)])
def test_gaps_are_filled_as_a_loop_would(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(len(shape))
    values = rng.normal(size=shape)
    values[rng.random(shape) < 0.4] = np.nan
    values[(7, *[0] * (len(shape) - 1))] = np.inf
    missing = ~np.isfinite(values)
    filled = close_gaps(values, "float32", GapOptions(non_finite="fill"), 0)
    expected = values.copy()
    for index in np.argwhere(missing):
        expected[tuple(index)] = _line(values[(slice(None), *index[1:])], index[0])
    np.testing.assert_allclose(filled.values, expected)
    assert filled.changed == missing.sum()
    assert filled.are_gaps.tolist() == missing.reshape(40, -1).any(1).tolist()
    zeroed = close_gaps(values, "float32", GapOptions(non_finite="zero"), 0)
    np.testing.assert_array_equal(zeroed.values, np.where(missing, 0, values))
    for kept in ("reject", "split"):
        found = close_gaps(values, "float32", GapOptions(non_finite=kept), 0)
        np.testing.assert_array_equal(found.values, values)


def test_what_float32_cannot_hold_is_a_gap() -> None:
    filled = close_gaps(np.array([1.0, 1e300, 3.0]), "float32", GapOptions(non_finite="fill"), 0)
    assert filled.values.tolist() == [1, 2, 3]


def test_long_gaps_and_channels_without_a_value_are_rejected() -> None:
    values = np.array([1, np.nan, np.nan, 4, np.nan, 6])
    short = GapOptions(non_finite="fill", max_fill_secs=0.2)
    assert close_gaps(values, "float32", short, 10).values.tolist() == [1, 2, 3, 4, 5, 6]
    with pytest.raises(RejectedInputError, match=r"a gap of 0\.4 s, longer than .*=0\.2;"):
        close_gaps(values, "float32", short, 5)
    with pytest.raises(RejectedInputError, match="rate is not known"):
        close_gaps(values, "float32", short, 0)
    nothing = np.stack([values, np.full(6, np.nan)], 1)
    with pytest.raises(RejectedInputError, match="channel 7 has nothing but NaN"):
        close_gaps(nothing, "float32", GapOptions(non_finite="fill"), 0, channels=[3, 7])
    with pytest.raises(RejectedInputError, match="channel 1 has nothing but NaN"):
        close_gaps(nothing, "float32", GapOptions(non_finite="fill"), 0)
    masked = close_gaps(nothing, "float32", GapOptions(non_finite="mask"), 0)
    assert masked.values[:, 1].tolist() == [0] * 6
    with pytest.raises(UsageError, match="--max_fill_secs needs"):
        GapOptions(max_fill_secs=1)


def test_runs_are_those_of_true() -> None:
    assert runs(np.array([1, 1, 0, 1, 0, 0, 1], bool)).tolist() == [[0, 2], [3, 4], [6, 7]]
    assert runs(np.zeros(0, bool)).tolist() == []

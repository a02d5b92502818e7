import functools

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest

from pipeline.batches.channel_sums import ChannelSums

_ARRAYS = hnp.arrays(
    st.sampled_from(["float32", "int16", "uint8"]),
    hnp.array_shapes(min_dims=2, max_dims=3, max_side=5),
    elements=st.integers(0, 100),
)


@hypothesis.given(_ARRAYS, st.integers(0, 1000), st.data())
def test_merged_parts_have_the_moments_of_the_whole(
    values: np.ndarray, offset: int, data: st.DataObject
) -> None:
    values = values.astype(np.float64) + offset
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=3)))
    parts = [ChannelSums.of(part) for part in np.split(values, cuts)]
    found = functools.reduce(ChannelSums.merge, parts).statistics()
    rows = values.reshape(-1, values.shape[-1])
    np.testing.assert_allclose(found.mean, rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.deviation, rows.std(axis=0), atol=1e-9)
    assert found.minimum == tuple(rows.min(axis=0))
    assert found.maximum == tuple(rows.max(axis=0))
    assert found.count == len(rows)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_large_mean_does_not_cancel_the_deviation(channels: int) -> None:
    values = np.random.default_rng(0).normal(1e7, 1.0, size=(100_000, channels))
    found = ChannelSums.of(values).statistics()
    np.testing.assert_allclose(found.deviation, values.std(axis=0), rtol=1e-9)


@pytest.mark.parametrize("channels", [1, 3, 500, 70_000])
def test_chunks_of_every_size_add_up(channels: int) -> None:
    values = np.random.default_rng(0).normal(3.0, size=(300_000 // channels + 1, channels))
    found = ChannelSums.of(values.astype(np.float32))
    expected = values.astype(np.float32).astype(np.float64)
    np.testing.assert_allclose(found.mean, expected.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(
        found.squares, expected.var(axis=0) * len(values), rtol=1e-10, atol=1e-12
    )
    assert found.minimum == tuple(expected.min(axis=0))
    assert found.maximum == tuple(expected.max(axis=0))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 70_000, 99_999])
def test_a_value_that_is_not_finite_is_seen(value: float, place: int) -> None:
    values = np.ones((100_000, 2), np.float32)
    assert ChannelSums.of(values).is_finite
    values[place, 1] = value
    assert not ChannelSums.of(values).is_finite

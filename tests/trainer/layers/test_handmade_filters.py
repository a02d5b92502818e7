"""Filters made by hand against their definition and a plain loop over samples."""

import numpy as np
import pytest
import tensorflow as tf

from trainer import layers
from trainer.layers.handmade_filters import handmade_kernel


def test_filters_alternate_or_are_peaks():
    kernel = handmade_kernel()
    assert kernel.shape == (96, 17)
    sizes = [2, 2, 4, 4, 8, 8, 16, 16, 32, 32, 64, 64, 6, 12, 24, 48, 96]
    for size, each in zip(sizes, kernel.T, strict=True):
        first = (96 - size) // 2
        own = each[first : first + size]
        assert not np.delete(each, np.arange(first, first + size)).any()
        if size in (2, 4, 8, 16, 32, 64):
            np.testing.assert_array_equal(own[:-1], -own[1:])
            assert own.any()
        else:
            np.testing.assert_allclose(own, own[::-1])
            np.testing.assert_allclose(own.sum(), 0, atol=1e-5)
            assert own.max() == 2
            assert own[size // 2] == 2
    np.testing.assert_array_equal(kernel[:, 0], -kernel[:, 1])


@pytest.mark.parametrize("causal", [False, True])
def test_equals_a_loop_over_each_record(causal):
    rng = np.random.default_rng(0)
    lengths = [3, 0, 130, 1]
    records = [rng.normal(size=(n, 2)).astype(np.float32) for n in lengths]
    layer = layers.HandmadeFilters(causal=causal)
    found = layer(np.concatenate(records), tf.constant(lengths)).numpy()
    kernel, first = handmade_kernel(), 0
    for record in records:
        for channel in range(2):
            wide = np.pad(record[:, channel], (95 if causal else 47, 48))
            windows = [wide[i : i + 96] for i in range(len(record))]
            expected = np.maximum(np.array(windows).reshape(-1, 96) @ kernel, 0)
            rows = found[first : first + len(record), channel * 17 : channel * 17 + 17]
            np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-4)
        first += len(record)

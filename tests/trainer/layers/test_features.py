import numpy as np
import pytest
import tensorflow as tf

from trainer import layers


@pytest.mark.parametrize("lengths", [[3, 0, 1, 2], [0, 2], [0, 0], [4, 0]])
def test_differences_never_cross_records(lengths):
    steps = np.random.default_rng(0).normal(size=(sum(lengths), 2, 3)).astype(np.float32)
    found = tf.function(layers.StepDifference())(steps, tf.constant(lengths, tf.int32)).numpy()
    records = np.split(steps, np.cumsum(lengths)[:-1])
    expected = [np.diff(record, axis=0, prepend=record[:1]) for record in records]
    np.testing.assert_array_equal(found, np.concatenate(expected))

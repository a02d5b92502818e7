import gc

import numpy as np
import pytest
import tensorflow as tf

from tfrecords_schema.shared_arrays import aligned_copy, aligned_empty, shared_tensor


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_aligned_memory_is_shared(dtype):
    array = aligned_copy(np.arange(1001, dtype=dtype))
    tensor = shared_tensor(array)
    assert tensor.dtype == dtype
    array[7] = -5
    np.testing.assert_array_equal(tensor, array)
    np.testing.assert_array_equal(shared_tensor(array), array)


@pytest.mark.parametrize("array", [aligned_empty(9, "int32")[1:], np.arange(9)[::-2]])
def test_other_memory_is_copied(array):
    array[:] = range(len(array))
    tensor = shared_tensor(array)
    array[0] = -5
    assert tensor.numpy().tolist() == list(range(len(array)))


def test_arrays_that_cannot_be_written_are_copied():
    array = aligned_copy(np.arange(3))
    array.flags.writeable = False
    assert shared_tensor(array).numpy().tolist() == [0, 1, 2]


def test_a_tensor_keeps_the_memory():
    tensor = shared_tensor(aligned_copy(np.arange(100_000)))
    lookup = tf.function(lambda i: tf.gather(tensor, i))
    gc.collect()
    for _ in range(4):
        aligned_empty(100_000, "int64")[:] = -1
    assert lookup(tf.constant([0, 99_999])).numpy().tolist() == [0, 99_999]

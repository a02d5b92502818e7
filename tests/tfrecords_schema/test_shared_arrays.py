import functools
import gc
import tempfile

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.harness.measure import kernel_kb
from tfrecords_schema import shared_arrays
from tfrecords_schema.errors import UserError
from tfrecords_schema.shared_arrays import (
    aligned_copy,
    aligned_empty,
    joined_arrays,
    shared_tensor,
)


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


@pytest.mark.parametrize("in_memory_bytes", [0, 1 << 20], ids=["file", "memory"])
@pytest.mark.parametrize("most", [10, 25])
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_parts_become_one_array_that_is_shared(in_memory_bytes, most, dtype, monkeypatch):
    monkeypatch.setattr(shared_arrays, "_IN_MEMORY_BYTES", in_memory_bytes)
    parts = [np.arange(3), np.arange(0), np.arange(3, 10)[::-1]]
    found = joined_arrays(parts, most, dtype)
    assert found.dtype == dtype
    assert found.tolist() == np.concatenate(parts).tolist()
    tensor = shared_tensor(found)
    found[2] = -5
    del found
    gc.collect()
    assert tensor.numpy().tolist() == [0, 1, -5, *range(9, 2, -1)]
    assert len(joined_arrays([], most, dtype)) == 0


def test_large_arrays_take_no_memory_of_their_own(monkeypatch):
    monkeypatch.setattr(shared_arrays, "_IN_MEMORY_BYTES", 0)
    before = kernel_kb("/proc/self/status", "RssAnon")
    parts = (np.full(1 << 18, number) for number in range(64))
    found = joined_arrays(parts, 64 << 18, np.int32)
    assert found[:: 1 << 18].tolist() == [*range(64)]
    assert kernel_kb("/proc/self/status", "RssAnon") - before < 16 << 10  # Of 64 MB.


def test_a_full_disk_says_what_to_set(monkeypatch):
    monkeypatch.setattr(shared_arrays, "_IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(tempfile, "TemporaryFile", functools.partial(open, "/dev/full", "wb"))
    with pytest.raises(UserError, match=r"no room .*No space left on device.*; set TMPDIR to"):
        joined_arrays([np.arange(9)], 9, np.int32)

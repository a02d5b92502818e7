"""Memory is used again when nobody uses it any more, and not before."""

import gc

import numpy as np
import pytest
import tensorflow as tf

from pipeline.batches import batch_memory
from pipeline.batches.batch_memory import batch_array


@pytest.fixture(autouse=True)
def nothing_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_memory, "_LARGE_BYTES", 100)
    monkeypatch.setattr(batch_memory, "_pool", batch_memory._Pool())


def test_memory_is_taken_again_by_what_fits() -> None:
    array = batch_array((10, 5), "float32")
    place = array.ctypes.data
    assert place % 64 == 0
    other = batch_array((10, 5), "float32")
    assert not np.shares_memory(array, other)
    del array
    gc.collect()
    assert batch_array((10, 6), "float32").ctypes.data != place
    assert batch_array((12, 4), "int32").ctypes.data == place


def test_what_tensorflow_still_uses_is_not_taken() -> None:
    def numbered(number: np.ndarray) -> np.ndarray:
        found = batch_array((1000,), "int64")
        found[:] = number
        return found

    dataset = tf.data.Dataset.range(50).map(
        lambda number: tf.numpy_function(numbered, [number], tf.int64), num_parallel_calls=4
    )
    kept = [*dataset]
    assert [np.unique(part.numpy()).tolist() for part in kept] == [[n] for n in range(50)]


def test_only_so_much_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_memory, "_MOST_KEPT", 2)
    arrays = [batch_array((size,), "uint8") for size in (500, 200, 300, 400)]
    arrays.clear()
    gc.collect()
    assert [len(memory) for memory in batch_memory._pool._free] == [400, 500]

"""Memory of batches, used again once TensorFlow has done with it.

Fresh memory comes page by page from the kernel, which clears it: for a large batch that takes as
long as to fill it, and a virtual machine may have to get each page back from its host.
"""

import math
import threading
import weakref

import numpy as np

from tfrecords_schema.shared_arrays import aligned_empty

# Below, the allocator keeps what was freed.
_LARGE_BYTES = 1 << 20
# As many as there are batches at the same time: read, read ahead, waiting, trained on.
_MOST_KEPT = 12


class _Pool:
    """Memory that is free, in order of size; the largest pieces, as they serve for any batch."""

    def __init__(self) -> None:
        self._free: list[np.ndarray] = []
        # Memory may become free while a thread takes some: in a collection.
        self._lock = threading.RLock()

    def take(self, num_bytes: int) -> np.ndarray:
        with self._lock:
            for at, memory in enumerate(self._free):
                if num_bytes <= len(memory):
                    return self._free.pop(at)
        return aligned_empty(num_bytes, "uint8")

    def give_back(self, memory: np.ndarray) -> None:
        with self._lock:
            self._free = sorted([*self._free, memory], key=len)[-_MOST_KEPT:]


_pool = _Pool()


def batch_array(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Any values, in memory that TensorFlow uses as it is and that is its own until it drops it."""
    count = math.prod(shape)
    num_bytes = count * np.dtype(dtype).itemsize
    if num_bytes < _LARGE_BYTES:
        return aligned_empty(count, dtype).reshape(shape)
    memory = _pool.take(num_bytes)
    array = memory[:num_bytes].view(dtype).reshape(shape)
    weakref.finalize(array, _pool.give_back, memory)
    return array

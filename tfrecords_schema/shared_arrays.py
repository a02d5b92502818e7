"""NumPy arrays whose memory TensorFlow uses as it is; `tf.constant` always copies.

Large ones lie in files, of which the kernel keeps in memory what there is room for.
"""

import tempfile
from collections.abc import Iterable
from typing import IO

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfrecords_schema.errors import UserError

# What TensorFlow's kernels rely on (EIGEN_MAX_ALIGN_BYTES); NumPy's own arrays have 16.
_ALIGNMENT_BYTES = 64
_IN_MEMORY_BYTES = 1 << 27


def aligned_empty(count: int, dtype: str | np.dtype) -> np.ndarray:
    """`[count]` of any values, in memory that `shared_tensor` need not copy."""
    num_bytes = count * np.dtype(dtype).itemsize
    memory = np.empty(num_bytes + _ALIGNMENT_BYTES, np.uint8)
    begin = -memory.ctypes.data % _ALIGNMENT_BYTES
    return memory[begin : begin + num_bytes].view(dtype)


def shared_tensor(array: np.ndarray) -> tf.Tensor:
    """A tensor on the CPU with the memory of an array, or of a copy where that is not aligned.

    Args:
      array: `[count]`, at least one number; not to be changed as long as the tensor is used.
    """
    if array.ctypes.data % _ALIGNMENT_BYTES or not array.flags.carray:
        array = aligned_copy(array)
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


def aligned_copy(array: np.ndarray) -> np.ndarray:
    """A copy of `[count]` numbers that `shared_tensor` need not copy again."""
    copy = aligned_empty(len(array), array.dtype)
    copy[:] = array
    return copy


class GrowingArray:
    """`[count]` numbers that come in parts; in a file without a name where they may be many."""

    def __init__(self, most: int, dtype: npt.DTypeLike):
        """Begins with none.

        Args:
          most: numbers that may come.
          dtype: of them.
        """
        self._dtype, self._end = np.dtype(dtype), 0
        self._file: IO[bytes] | None = None
        if most * self._dtype.itemsize > _IN_MEMORY_BYTES:
            # Open for as long as numbers come, and mapped for as long as the array is.
            self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._array = aligned_empty(0 if self._file else most, self._dtype)

    def append(self, part: np.ndarray) -> None:
        """Adds numbers behind the others.

        Raises:
          UserError: there is no room for them on the disk.
        """
        begin, self._end = self._end, self._end + len(part)
        if self._file is None:
            self._array[begin : self._end] = part
            return
        try:
            self._file.write(part.astype(self._dtype).data)
            self._file.flush()  # What cannot be written must be found now.
        except OSError as error:
            raise UserError(
                f"{tempfile.gettempdir()} has no room for an index or a plan of so many records "
                f"({error.strerror}); set TMPDIR to a folder on a larger disk"
            ) from error

    def array(self) -> np.ndarray:
        """All numbers, aligned; nothing comes after them."""
        if self._file is not None and self._end:
            return np.memmap(self._file, self._dtype, "r+", shape=(self._end,)).view(np.ndarray)
        if self._end < len(self._array):
            return aligned_copy(self._array[: self._end])
        return self._array


def joined_arrays(parts: Iterable[np.ndarray], most: int, dtype: npt.DTypeLike) -> np.ndarray:
    """Parts one behind the other, none of which is kept; see `GrowingArray`."""
    found = GrowingArray(most, dtype)
    for part in parts:
        found.append(part)
    return found.array()

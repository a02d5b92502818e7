"""NumPy arrays whose memory TensorFlow uses as it is; `tf.constant` always copies."""

import numpy as np
import tensorflow as tf

# What TensorFlow's kernels rely on (EIGEN_MAX_ALIGN_BYTES); NumPy's own arrays have 16.
_ALIGNMENT_BYTES = 64


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

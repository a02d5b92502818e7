"""What layers of kernels that nothing trains have in common: their inputs, answers and sums."""

import functools

import tensorflow as tf

from trainer.layers.rows.gaps import records_and_steps, slide
from trainer.layers.rows.windows import convolution_of_rows


def record_and_differences(packed: tf.Tensor, lengths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Packed rows, and each less the row before it in its record; 0 for the first of a record."""
    record, step = records_and_steps(lengths)
    before = tf.gather(packed, tf.range(tf.size(record)) - tf.cast(step > 0, tf.int32))
    return packed, packed - before


def answers(
    packed: tf.Tensor, lengths: tf.Tensor, kernel: tf.Tensor, dilation: int, causal: bool
) -> tf.Tensor:
    """What kernels `[kernel samples, channels, kernels]` make of each row: `[valid, kernels]`."""
    window = functools.partial(convolution_of_rows, dilation=dilation)
    reach = (kernel.shape[0] - 1) * dilation
    return slide(window, packed, lengths, reach, kernel, causal=causal)


def sums(values: tf.Tensor, place: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Sums of the rows of each place, which stand together: `[places, columns]`.

    TensorFlow's sums of unsorted rows take five times as long.
    """
    found = tf.math.segment_sum(values, place)
    return tf.pad(found, [[0, places - tf.shape(found)[0]], [0, 0]])

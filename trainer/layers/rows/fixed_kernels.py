"""What layers of kernels that nothing trains have in common: their inputs, answers and sums."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from trainer.layers.rows.gaps import Gaps, records_and_steps

# Dilations whose answers are held at the same time, each `[valid, kernels]`.
_AT_ONCE = 2


def for_each(
    count: int, features: Callable[[tf.Tensor], tf.Tensor], columns: int, dtype: tf.DType
) -> tf.Tensor:
    """Features of each of so many dilations, side by side: `[places, count * columns]`.

    It is a loop of the graph, for the operations of each by itself take seconds to trace.

    Args:
      count: of dilations.
      features: from the number of one to `[places, columns]`.
      columns: that it returns.
      dtype: of those.
    """
    found = tf.map_fn(
        features,
        tf.range(count),
        parallel_iterations=_AT_ONCE,
        fn_output_signature=tf.TensorSpec([None, columns], dtype),
    )
    return tf.reshape(tf.transpose(found, [1, 0, 2]), [-1, count * columns])


class RecordAndDifferences(NamedTuple):
    """Packed rows, and each less the row before it in its record, with zeros around records.

    Attributes:
      rows: `[2 * size, channels]`, both with gaps; the first of a record has the difference 0.
      places: `[valid] int32`, where each row stands in the first `size`.
      gap: rows of zeros before and behind each record, `[] int32`.
    """

    rows: tf.Tensor
    places: tf.Tensor
    gap: tf.Tensor

    @classmethod
    def of(cls, packed: tf.Tensor, lengths: tf.Tensor, reach: int) -> "RecordAndDifferences":
        """Those of packed rows.

        Args:
          packed: `[valid, channels]`.
          lengths: `[batch] int32`.
          reach: rows that kernels see on one side.
        """
        record, step = records_and_steps(lengths)
        before = tf.gather(packed, tf.range(tf.size(record)) - tf.cast(step > 0, tf.int32))
        gap = tf.minimum(reach, tf.reduce_max(tf.concat([lengths, [1]], 0)))
        gaps = Gaps.around(lengths, gap)
        rows = tf.concat([gaps.spread(packed), gaps.spread(packed - before)], 0)
        return cls(rows, gaps.places, gap)

    def answers(
        self, kind: int | tf.Tensor, kernel: tf.Tensor, dilation: tf.Tensor, causal: bool
    ) -> tf.Tensor:
        """What kernels make of each row: `[valid, kernels]`.

        Rows are gathered, so that the dilation may be a tensor, and no gap is computed on.

        Args:
          kind: 0 of the rows, 1 of the differences.
          kernel: `[kernel samples, channels, kernels]`; sees zeros beyond the ends of a record.
          dilation: rows from one sample of the kernel to the next, `[] int32`.
          causal: whether it sees a row and earlier ones alone; else as many on both sides.
        """
        samples, channels, kernels = kernel.shape
        middle = samples - 1 if causal else (samples - 1) // 2
        # What is farther away than the gap is wide is beyond the ends of every record.
        offset = tf.clip_by_value((tf.range(samples) - middle) * dilation, -self.gap, self.gap)
        places = self.places + kind * (tf.shape(self.rows)[0] // 2)
        windows = tf.gather(self.rows, places[:, None] + offset)
        windows = tf.reshape(windows, [-1, samples * channels])
        return tf.matmul(windows, tf.reshape(kernel, [-1, kernels]))


def sums(values: tf.Tensor, place: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Sums of the rows of each place, which stand together: `[places, columns]`.

    TensorFlow's sums of unsorted rows take five times as long.
    """
    found = tf.math.segment_sum(values, place)
    return tf.pad(found, [[0, places - tf.shape(found)[0]], [0, 0]])

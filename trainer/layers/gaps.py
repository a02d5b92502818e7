"""Records end to end with gaps between them, so that a window over time stays within its record.

Packed rows `[valid, channels]` have no room between records: a convolution over them would mix the
end of one with the beginning of the next. With gaps as wide as the window reaches, each record sees
the fill value beyond its ends, as it would alone, and nothing is computed on padding but the gaps.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

# Sizes are rounded up to multiples of this, so that few shapes occur: oneDNN keeps a plan for each.
MULTIPLE = 256


class Gaps(NamedTuple):
    """Where packed rows stand once there are gaps, and which row stands where.

    Rows move by gathering, in both directions and for gradients: a scatter takes one core alone.

    Attributes:
      places: `[valid] int32`, where each row stands; ascending.
      rows: `[size] int32`, the row that stands in each place; `valid`, which is none, in gaps.
    """

    places: tf.Tensor
    rows: tf.Tensor

    @classmethod
    def around(cls, lengths: tf.Tensor, gap: int) -> "Gaps":
        """Gaps of so many rows around records of these lengths, `[batch] int32`.

        There is one before the first and one behind the last record as well.
        """
        record = tf.repeat(tf.range(tf.size(lengths)), lengths)
        valid = tf.size(record)
        places = tf.range(valid) + (record + 1) * gap
        size = valid + (tf.size(lengths) + 1) * gap + 1
        rows = tf.fill([-(-size // MULTIPLE) * MULTIPLE], valid)
        return cls(places, tf.tensor_scatter_nd_update(rows, places[:, None], tf.range(valid)))

    def slide(
        self,
        window: Callable[[tf.Tensor], tf.Tensor],
        packed: tf.Tensor,
        before: int,
        fill: float = 0.0,
    ) -> tf.Tensor:
        """Applies a function of neighbouring rows.

        Args:
          window: from `[1, size, channels]` to `[1, at most size, outputs]`; output i sees rows
            from i on, without padding.
          packed: `[valid, channels]`.
          before: rows of a window before the one that its output stands for.
          fill: what the window sees beyond a record's ends.

        Returns:
          `[valid, outputs]`.
        """
        outputs = window(_moved(packed, self.rows, self.places, fill)[None])[0]
        behind = tf.fill([before], tf.size(self.places))
        of_outputs = tf.concat([self.rows, behind], 0)[before:][: tf.shape(outputs)[0]]
        return _moved(outputs, self.places - before, of_outputs)


def _moved(values: tf.Tensor, sources: tf.Tensor, targets: tf.Tensor, fill: float = 0.0) -> Any:
    """Rows in another order, some left out or filled in.

    Args:
      values: `[rows, channels]`.
      sources: `[moved]`, the row that each is; `rows` for one that is filled.
      targets: `[rows]`, where each row is in the result; `moved` for one that is left out.
      fill: what rows are filled with.
    """

    @tf.custom_gradient
    def moved(values: tf.Tensor) -> Any:
        return _gathered(values, sources, fill), lambda upstream: _gathered(upstream, targets)

    return moved(values)


def _gathered(values: tf.Tensor, sources: tf.Tensor, fill: float = 0.0) -> tf.Tensor:
    filled = tf.fill([1, values.shape[-1]], tf.constant(fill, values.dtype))
    return tf.gather(tf.concat([values, filled], 0), sources)

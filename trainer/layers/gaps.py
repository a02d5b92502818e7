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
    """Where packed rows stand once there are gaps.

    Attributes:
      places: `[valid] int32`, where each row stands; ascending.
      size: rows with gaps, before the first and behind the last record as well.
    """

    places: tf.Tensor
    size: tf.Tensor

    @classmethod
    def around(cls, lengths: tf.Tensor, gap: int) -> "Gaps":
        """Gaps of so many rows around records of these lengths, `[batch] int32`."""
        record = tf.repeat(tf.range(tf.size(lengths)), lengths)
        places = tf.range(tf.size(record)) + (record + 1) * gap
        size = tf.size(record) + (tf.size(lengths) + 1) * gap + 1
        return cls(places, -(-size // MULTIPLE) * MULTIPLE)

    def spread(self, packed: tf.Tensor, fill: float = 0.0) -> tf.Tensor:
        """`[valid, channels]` -> `[size, channels]`, with `fill` in the gaps."""
        spread = tf.scatter_nd(self.places[:, None], packed, [self.size, packed.shape[-1]])
        if not fill:
            return spread
        taken = tf.scatter_nd(self.places[:, None], tf.ones_like(self.places), [self.size])
        return tf.where(taken[:, None] > 0, spread, tf.constant(fill, spread.dtype))

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
        return _take(window(self.spread(packed, fill)[None])[0], self.places - before)


@tf.custom_gradient
def _take(rows: tf.Tensor, places: tf.Tensor) -> Any:
    """`tf.gather` of places that are all different, whose gradient is one pass."""

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        return tf.scatter_nd(places[:, None], upstream, tf.shape(rows)), None

    return tf.gather(rows, places), gradient

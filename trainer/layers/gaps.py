"""Records end to end with gaps between them, so that a window over time stays within its record.

Packed rows `[valid, channels]` have no room between records: a convolution over them would mix the
end of one with the beginning of the next. With gaps as wide as the window reaches, each record sees
the fill value beyond its ends, as it would alone, and nothing is computed on padding but the gaps.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

# Sizes below the last are rounded up to multiples of the first, others of the second, so that few
# shapes occur: oneDNN keeps a plan for each, and a new one costs 0.2 ms a convolution.
_FINE, _COARSE, _COARSE_FROM = 16, 256, 1024


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
    def around(cls, lengths: tf.Tensor, gap: int, multiple: int = 1) -> "Gaps":
        """Gaps of so many rows around records of these lengths, `[batch] int32`.

        There is one before the first and one behind the last record as well, also where there is no
        record. The size is a multiple of a power of two to 256.
        """
        record = tf.repeat(tf.range(tf.size(lengths)), lengths)
        valid = tf.size(record)
        places = tf.range(valid) + (record + 1) * gap
        size = valid + tf.maximum(tf.size(lengths) + 1, 2) * gap + 1
        unit = tf.where(size < _COARSE_FROM, max(_FINE, multiple), _COARSE)
        rows = tf.fill([-(-size // unit) * unit], valid)
        return cls(places, tf.tensor_scatter_nd_update(rows, places[:, None], tf.range(valid)))

    @classmethod
    def side_by_side(
        cls, lengths: tf.Tensor, longest: tf.Tensor, multiple: tf.Tensor
    ) -> tuple["Gaps", tf.Tensor]:
        """Records one below the other, each with a gap up to the longest, the longest first.

        Args:
          lengths: `[batch] int32`.
          longest: rows that each has then.
          multiple: records of length 0 follow, up to a multiple of this number that is not 0.

        Returns:
          Where rows stand, and the lengths in that order.
        """
        order = tf.argsort(lengths, direction="DESCENDING", stable=True)
        groups = tf.maximum(-(-tf.size(lengths) // multiple), 1)
        more = groups * multiple - tf.size(lengths)
        ordered = tf.pad(tf.gather(lengths, order), [[0, more]])
        record = tf.repeat(tf.math.invert_permutation(order), lengths)
        step = tf.ragged.range(lengths).flat_values
        places = record * longest + step
        rows = tf.fill([tf.size(ordered) * longest], tf.size(record))
        rows = tf.tensor_scatter_nd_update(rows, places[:, None], tf.range(tf.size(record)))
        return cls(places, rows), ordered

    def slide(
        self,
        window: Callable[[tf.Tensor], tf.Tensor],
        packed: tf.Tensor,
        before: int,
        fill: float = 0.0,
    ) -> tf.Tensor:
        """Applies a function of neighbouring rows.

        Args:
          window: from `[size, channels]` to `[fewer, outputs]`; output i sees rows from i on.
          packed: `[valid, channels]`.
          before: rows of a window before the one that its output stands for.
          fill: what the window sees beyond a record's ends.

        Returns:
          `[valid, outputs]`.
        """
        outputs = window(_spread(packed, self.rows, self.places, fill))
        of_outputs = self.rows[before : before + tf.shape(outputs)[0]]
        return _collected(outputs, self.places - before, of_outputs)


def _spread(values: tf.Tensor, sources: tf.Tensor, places: tf.Tensor, fill: float) -> tf.Tensor:
    """Rows with gaps between them.

    Args:
      values: `[rows, channels]`.
      sources: `[size]`, the row that is in each place; `rows` in gaps.
      places: `[rows]`, where each row is in the result.
      fill: what gaps are filled with.
    """

    @tf.custom_gradient
    def spread(values: tf.Tensor) -> Any:
        return _filled(values, sources, fill), lambda upstream: tf.gather(upstream, places)

    return spread(values)


def _collected(values: tf.Tensor, places: tf.Tensor, sources: tf.Tensor) -> tf.Tensor:
    """The inverse of `_spread`: its arguments are those of the way there."""

    @tf.custom_gradient
    def collected(values: tf.Tensor) -> Any:
        return tf.gather(values, places), lambda upstream: _filled(upstream, sources, 0.0)

    return collected(values)


def _filled(values: tf.Tensor, sources: tf.Tensor, fill: float) -> tf.Tensor:
    filled = tf.fill([1, values.shape[-1]], tf.constant(fill, values.dtype))
    return tf.gather(tf.concat([values, filled], 0), sources)

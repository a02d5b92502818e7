"""Records end to end with gaps between them, so that a window over time stays within its record.

Packed rows `[valid, channels]` have no room between records: a convolution over them would mix the
end of one with the beginning of the next. With gaps as wide as the window reaches, each record sees
the fill value beyond its ends, as it would alone, and nothing is computed on padding but the gaps.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from trainer.layers.rows.once import once_in_graph

# Sizes below the last are rounded up to multiples of the first, others of the second, so that few
# shapes occur: oneDNN keeps a plan for each, and a new one costs 0.2 ms a convolution.
_FINE, _COARSE, _COARSE_FROM = 16, 256, 1024


@once_in_graph
def records_and_steps(lengths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Of each packed row the number of its record, and of its step there: `[valid] int32`."""
    record = tf.repeat(tf.range(tf.size(lengths)), lengths)
    first = tf.gather(tf.cumsum(lengths, exclusive=True), record)
    return record, tf.range(tf.size(record)) - first


class Gaps(NamedTuple):
    """Where packed rows stand once there are gaps, and which row stands where.

    Rows move by gathering, in both directions and for gradients: a scatter takes one core alone.

    Attributes:
      places: `[valid] int32`, where each row stands.
      rows: `[size] int32`, the row that stands in each place; `valid`, which is none, in gaps.
    """

    places: tf.Tensor
    rows: tf.Tensor

    @classmethod
    @once_in_graph
    def around(cls, lengths: tf.Tensor, gap: int | tf.Tensor, multiple: int = 1) -> "Gaps":
        """Gaps of so many rows around records of these lengths, `[batch] int32`.

        There is one before the first and one behind the last record as well, also where there is no
        record. The size is a multiple of a power of two to 256.
        """
        record, _ = records_and_steps(lengths)
        valid = tf.size(record)
        size = valid + tf.maximum(tf.size(lengths) + 1, 2) * gap + 1
        unit = tf.where(size < _COARSE_FROM, max(_FINE, multiple), _COARSE)
        return cls._at(tf.range(valid) + (record + 1) * gap, -(-size // unit) * unit)

    @classmethod
    def side_by_side(
        cls, lengths: tf.Tensor, together: tf.Tensor
    ) -> tuple["Gaps", tf.Tensor, tf.Tensor]:
        """Groups of records, the longest first; all of a group have a gap up to its longest.

        Args:
          lengths: `[batch] int32`.
          together: records of a group, at least 1; records of length 0 fill the last one.

        Returns:
          Where rows stand; the lengths in that order, `[groups, together]`, of which there is one
          at least; and the rows that each record of a group has, at least 1, `[groups]`.
        """
        order = tf.argsort(lengths, direction="DESCENDING", stable=True)
        groups = tf.maximum(-(-tf.size(lengths) // together), 1)
        more = groups * together - tf.size(lengths)
        ordered = tf.reshape(tf.pad(tf.gather(lengths, order), [[0, more]]), [-1, together])
        times = tf.maximum(ordered[:, 0], 1)
        of_groups = tf.cumsum(times, exclusive=True) * together
        firsts = tf.reshape(of_groups[:, None] + times[:, None] * tf.range(together), [-1])
        record, step = records_and_steps(lengths)
        places = tf.gather(tf.gather(firsts, tf.math.invert_permutation(order)), record) + step
        return cls._at(places, tf.reduce_sum(times) * together), ordered, times

    @classmethod
    def _at(cls, places: tf.Tensor, size: tf.Tensor) -> "Gaps":
        valid = tf.size(places)
        rows = tf.fill([size], valid)
        return cls(places, tf.tensor_scatter_nd_update(rows, places[:, None], tf.range(valid)))

    def spread(self, packed: tf.Tensor, fill: float = 0.0) -> tf.Tensor:
        """`[valid, channels]` -> `[size, channels]`, gaps filled with a number."""
        filled = tf.constant(fill, packed.dtype, [1, packed.shape[-1]])
        return tf.gather(tf.concat([packed, filled], 0), self.rows)

    def packed(self, spread: tf.Tensor) -> tf.Tensor:
        """`[size, channels]` -> `[valid, channels]`, the inverse of `spread`."""
        return tf.gather(spread, self.places)


Window = Callable[..., tuple[tf.Tensor, Callable[[tf.Tensor], Sequence[tf.Tensor]]]]
"""From `[size, channels]` and weights to `[size - reach, outputs]`, and what makes their gradients
of that of the outputs, as `tf.custom_gradient` takes both; output i sees rows i to i + reach."""


def slide(
    window: Window,
    packed: tf.Tensor,
    lengths: tf.Tensor,
    reach: int,
    *weights: tf.Tensor,
    causal: bool,
    fill: float = 0.0,
    multiple: int = 1,
) -> tf.Tensor:
    """Applies a function of neighbouring rows.

    Args:
      window: the function.
      packed: `[valid, channels]`.
      lengths: `[batch] int32`.
      reach: rows that an output sees beside its own.
      *weights: of the function.
      causal: whether all of those come before; else as many on both sides.
      fill: what the window sees beyond a record's ends.
      multiple: see `Gaps.around`.

    Returns:
      `[valid, outputs]`.
    """
    inside, outside = _inside_and_outside(lengths, reach, causal, multiple)

    @tf.custom_gradient
    def slid(packed: tf.Tensor, *weights: tf.Tensor) -> Any:
        outputs, gradient = window(inside.spread(packed, fill), *weights)

        def of_all(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            of_rows, *of_weights = gradient(outside.spread(upstream))
            return inside.packed(of_rows), *of_weights

        return outside.packed(outputs), of_all

    return slid(packed, *weights)


@once_in_graph
def _inside_and_outside(
    lengths: tf.Tensor, reach: int, causal: bool, multiple: int
) -> tuple[Gaps, Gaps]:
    """Where rows stand for a window, and where its outputs do."""
    before = reach if causal else reach // 2
    inside = Gaps.around(lengths, max(before, reach - before), multiple)
    of_outputs = tf.slice(inside.rows, [before], [tf.size(inside.rows) - reach])
    return inside, Gaps(inside.places - before, of_outputs)

"""Products of queries and keys of some records of like length at a time, and their gradient.

Of a long record it is some queries at a time. Products stay in the cache, their cost follows each
record's own length, and memory grows with it, not with its square: they are made again for the
gradient, which is written out: the automatic one of both loops was half of a network's operations.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from trainer.layers.rows.gaps import Gaps


class Groups(NamedTuple):
    """Records of like length that are worked on at a time, the longest first.

    Attributes:
      gaps: where packed rows stand then.
      lengths: `[groups, records] int32`.
      times: `[groups] int32`, rows of each record.
      firsts: `[groups] int32`, the first row of a group.
    """

    gaps: Gaps
    lengths: tf.Tensor
    times: tf.Tensor
    firsts: tf.Tensor


class Blocks:
    """Scaled dot-product attention (Vaswani and others 2017), which keeps no product.

    Args:
      rows: `[size, 3 * features]`, queries, keys and values of groups.
      groups: where those are.
      heads: of them.
      causal: whether a step sees only itself and earlier ones.
      most_products: of queries and keys that are made at a time.
    """

    def __init__(
        self, rows: tf.Tensor, groups: Groups, heads: int, causal: bool, most_products: int
    ):
        self._rows, self._groups = rows, groups
        self._heads, self._causal, self._most_products = heads, causal, most_products
        self._scale = (rows.shape[-1] // 3 // heads) ** -0.5

    def forward(self) -> tf.Tensor:
        """`[size, features]`."""

        def of_group(number: tf.Tensor) -> tf.Tensor:
            query, key, value = self._apart(self._rows, number, 3)
            query *= self._scale

            def of_block(start: tf.Tensor, size: tf.Tensor) -> list[tf.Tensor]:
                share = self._shares(_part(query, start, size), key, number, start)
                return [_as_rows(tf.matmul(tf.cast(share, value.dtype), value))]

            return self._in_blocks(number, of_block, [])[0]

        return self._in_turn(of_group, 1)

    def backward(self, found: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        """The gradient of the rows: `[size, 3 * features]`."""
        everything = tf.concat([self._rows, found, upstream], 1)

        def of_group(number: tf.Tensor) -> tf.Tensor:
            query, key, value, found, upstream = self._apart(everything, number, 5)
            query *= self._scale

            def of_block(start: tf.Tensor, size: tf.Tensor, *sums: tf.Tensor) -> list[tf.Tensor]:
                queries, own, above = (_part(x, start, size) for x in (query, found, upstream))
                share = self._shares(queries, key, number, start)
                of_value = tf.matmul(tf.cast(share, value.dtype), above, transpose_a=True)
                of_share = tf.cast(tf.matmul(above, value, transpose_b=True), share.dtype)
                # The mean of those by their shares, without another pass over all products.
                means = tf.cast(above, share.dtype) * tf.cast(own, share.dtype)
                mean = tf.reduce_sum(means, axis=-1, keepdims=True)
                of_product = tf.cast(share * (of_share - mean), query.dtype)
                of_key = tf.matmul(of_product, queries, transpose_a=True)
                of_query = tf.matmul(of_product, key) * self._scale
                added = (tf.cast(of_key, share.dtype), tf.cast(of_value, share.dtype))
                return [_as_rows(of_query), sums[0] + added[0], sums[1] + added[1]]

            # Of a long record there are hundreds of blocks, and bfloat16 does not count so far.
            nothing = tf.zeros_like(key, keras.backend.result_type(key.dtype, "float32"))
            of_query, *sums = self._in_blocks(number, of_block, [nothing, nothing])
            return tf.concat([of_query, *(_as_rows(tf.cast(x, key.dtype)) for x in sums)], 1)

        return self._in_turn(of_group, 3)

    def _in_turn(self, of_group: Callable[[tf.Tensor], tf.Tensor], parts: int) -> tf.Tensor:
        """Rows `[size, parts * features]` of all groups, one group below the other."""
        count = tf.size(self._groups.times)

        def add(number: tf.Tensor, found: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            return number + 1, found.write(number, of_group(number))

        given = (0, self._array(count, parts))
        return tf.while_loop(lambda number, _: number < count, add, given)[1].concat()

    def _in_blocks(
        self,
        number: tf.Tensor,
        of_block: Callable[..., list[tf.Tensor]],
        sums: list[tf.Tensor],
    ) -> list[tf.Tensor]:
        """Rows of all queries of a group, and sums over them, of so many queries at a time."""
        records, time = tf.shape(self._groups.lengths)[1], self._groups.times[number]
        block = tf.clip_by_value(self._most_products // (records * self._heads * time), 1, time)
        count = -(-time // block)

        def add(at: tf.Tensor, found: tf.TensorArray, *sums: tf.Tensor) -> tuple[Any, ...]:
            start = at * block
            rows, *added = of_block(start, tf.minimum(block, time - start), *sums)
            return at + 1, found.write(at, rows), *added

        given = (0, self._array(count, 1), *sums)
        _, found, *sums = tf.while_loop(lambda at, *_: at < count, add, given)
        return [found.concat(), *sums]

    def _array(self, count: tf.Tensor, parts: int) -> tf.TensorArray:
        shape = [None, parts * (self._rows.shape[-1] // 3)]
        return tf.TensorArray(self._rows.dtype, count, infer_shape=False, element_shape=shape)

    def _apart(self, rows: tf.Tensor, number: tf.Tensor, parts: int) -> list[tf.Tensor]:
        """Of a group `[records, heads, time, size]` of each part."""
        records, time = tf.shape(self._groups.lengths)[1], self._groups.times[number]
        own = tf.slice(rows, [self._groups.firsts[number], 0], [records * time, -1])
        shape = [records, time, parts, self._heads, rows.shape[-1] // parts // self._heads]
        return tf.unstack(tf.transpose(tf.reshape(own, shape), [2, 0, 3, 1, 4]))

    def _shares(
        self, query: tf.Tensor, key: tf.Tensor, number: tf.Tensor, start: tf.Tensor
    ) -> tf.Tensor:
        """`[records, heads, queries, time]` in float32 at least; what is not seen has exactly 0."""
        dtype = keras.backend.result_type(query.dtype, "float32")
        product = tf.cast(tf.matmul(query, key, transpose_b=True), dtype)
        time = self._groups.times[number]
        seen = tf.sequence_mask(self._groups.lengths[number], time)[:, None, None]
        if self._causal:
            position = start + tf.range(tf.shape(query)[2])
            seen &= tf.range(time) <= position[:, None]
        # Not infinite: a record of length 0 sees nothing, and its softmax may not be NaN.
        return tf.nn.softmax(tf.where(seen, product, tf.constant(product.dtype.min, dtype)))


def _part(values: tf.Tensor, start: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    part = tf.slice(values, [0, 0, start, 0], [-1, -1, size, -1])
    part.set_shape([*values.shape[:2], None, values.shape[3]])
    return part


def _as_rows(values: tf.Tensor) -> tf.Tensor:
    """`[records, heads, time, size]` -> `[records * time, heads * size]`."""
    features = values.shape[1] * values.shape[3]
    return tf.reshape(tf.transpose(values, [0, 2, 1, 3]), [-1, features])

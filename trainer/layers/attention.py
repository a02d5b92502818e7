"""Self-attention over the valid steps of each record.

Projections run on packed steps. Products of queries and keys are made for some records of like
length at a time, for some queries of a long one, and again for the gradient: they stay in the
cache, their cost follows each record's own length, and memory grows with it, not with its square.
"""

from typing import Any

import keras
import tensorflow as tf

from trainer.layers.features import Dense
from trainer.layers.gaps import Gaps
from trainer.layers.packing import longest

# Products of queries and keys that are held at a time: 4 MiB in float32.
_MOST_PRODUCTS = 2**20
# Of the angles that positions turn by, as in Vaswani and others (2017) and RoFormer.
_LONGEST_WAVE = 10_000.0


@keras.saving.register_keras_serializable(package="trainer")
class SelfAttention(keras.layers.Layer):
    """Multi-head self-attention with rotary positions (RoFormer, Su 2021, arXiv 2104.09864).

    Queries and keys are turned by angles that grow with the position in the record, so that their
    products depend on how far apart they are.

    Args:
      heads: that attend side by side; the features must be a multiple of twice as many.
      causal: whether a step sees only itself and earlier ones.
      most_products: of queries and keys that are held at a time.
    """

    def __init__(
        self,
        heads: int,
        *,
        causal: bool = False,
        most_products: int = _MOST_PRODUCTS,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.heads, self.causal, self.most_products = heads, causal, most_products

    def build(self, packed_shape: Any, lengths_shape: Any = None) -> None:
        """Creates the projections for `features` inputs."""
        features = packed_shape[-1]
        if features % (2 * self.heads):
            raise ValueError(
                f"{self.name}: {self.heads} heads need a multiple of {2 * self.heads} features, "
                f"for positions turn pairs of them; got {features}."
            )
        names = ("query", "key", "value", "output")
        self.projections = [Dense(features, name=name, dtype=self.dtype_policy) for name in names]
        for projection in self.projections:
            projection.build((None, features))

    def call(self, packed: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """`[valid, features]`, `[batch] int32` -> the same shape."""
        *of_inputs, of_outputs = self.projections
        position = tf.ragged.range(lengths).flat_values
        shape = [-1, self.heads, packed.shape[-1] // self.heads]
        query, key, value = (tf.reshape(each(packed), shape) for each in of_inputs)
        rows = tf.stack([_turned(query, position), _turned(key, position), value], axis=1)
        time = longest(lengths)
        # So many records at a time; they are sorted, so that those of a group are of like length.
        most = tf.maximum(self.most_products // self.heads // time // time, 1)
        together = tf.minimum(most, tf.maximum(tf.size(lengths), 1))
        beside, ordered = Gaps.side_by_side(lengths, time, together)

        def attended(rows: tf.Tensor) -> tf.Tensor:
            groups = tf.reshape(rows, [-1, together, time, 3, *shape[1:]])
            found = tf.map_fn(
                self._of_group,
                (
                    tf.transpose(groups, [0, 3, 1, 4, 2, 5]),
                    tf.reshape(ordered, [-1, together]),
                ),
                parallel_iterations=1,  # Each holds all the products that may be held.
                fn_output_signature=tf.TensorSpec([None, self.heads, None, shape[-1]], rows.dtype),
            )
            return tf.reshape(tf.transpose(found, [0, 1, 3, 2, 4]), [-1, packed.shape[-1]])

        return of_outputs(beside.slide(attended, tf.reshape(rows, [-1, 3 * packed.shape[-1]]), 0))

    def _of_group(self, given: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """`[3, records, heads, time, size]`, lengths, the greatest first -> the same without 3."""
        rows, lengths = given
        time = tf.maximum(lengths[0], 1)
        # The gradient of tf.slice is a pad; that of indexing takes longer.
        kept = [3, tf.size(lengths), self.heads, time, rows.shape[-1]]
        query, key, value = tf.unstack(tf.slice(rows, [0] * 5, kept))
        found = self._attend(query, key, value, lengths)
        return tf.pad(found, [[0, 0], [0, 0], [0, tf.shape(rows)[3] - time], [0, 0]])

    def _attend(
        self, query: tf.Tensor, key: tf.Tensor, value: tf.Tensor, lengths: tf.Tensor
    ) -> tf.Tensor:
        """All `[batch, heads, time, size]`, also the result; in blocks of queries."""
        batch, time, size = tf.shape(query)[0], tf.shape(query)[2], query.shape[3]
        of_one_query = tf.maximum(batch, 1) * self.heads * time
        block = tf.clip_by_value(self.most_products // of_one_query, 1, time)
        blocks = -(-time // block)
        filled = tf.pad(query, [[0, 0], [0, 0], [0, blocks * block - time], [0, 0]])
        filled = tf.reshape(filled, [batch, self.heads, blocks, block, size])
        is_key = tf.sequence_mask(lengths, time)[:, None, None]

        def of_block(given: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
            queries, number = given
            seen = is_key
            if self.causal:
                position = number * block + tf.range(block)
                seen = is_key & (tf.range(time) <= position[:, None])
            return _attention(queries, key, value, seen)

        found = tf.map_fn(
            of_block,
            (tf.transpose(filled, [2, 0, 1, 3, 4]), tf.range(blocks)),
            parallel_iterations=1,  # Each holds all the products that may be held.
            fn_output_signature=tf.TensorSpec([None, self.heads, None, size], query.dtype),
        )
        shape = [batch, self.heads, blocks * block, size]
        found = tf.reshape(tf.transpose(found, [1, 2, 0, 3, 4]), shape)
        return tf.slice(found, [0] * 4, [-1, -1, time, -1])

    def compute_output_spec(self, packed: Any, lengths: Any) -> Any:
        """As many features."""
        return keras.KerasTensor(packed.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        own = {"heads": self.heads, "causal": self.causal, "most_products": self.most_products}
        return {**super().get_config(), **own}


def _turned(rows: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
    """`[valid, heads, size]` turned by positions `[valid]`: value i with value i + size / 2."""
    half = rows.shape[-1] // 2
    waves = tf.pow(_LONGEST_WAVE, -tf.range(half, dtype=tf.float32) / half)
    # In float32 whatever the policy: bfloat16 does not count to 1,000.
    angle = (tf.cast(position, tf.float32)[:, None] * waves)[:, None]
    cosine, sine = tf.cos(angle), tf.sin(angle)
    first, second = tf.split(tf.cast(rows, tf.float32), 2, axis=-1)
    turned = [first * cosine - second * sine, second * cosine + first * sine]
    return tf.cast(tf.concat(turned, axis=-1), rows.dtype)


def _attention(query: tf.Tensor, key: tf.Tensor, value: tf.Tensor, seen: tf.Tensor) -> tf.Tensor:
    """Scaled dot-product attention (Vaswani and others 2017), which keeps no product.

    Args:
      query: `[batch, heads, queries, size]`.
      key: `[batch, heads, time, size]`.
      value: like `key`.
      seen: bool, broadcasts to `[batch, heads, queries, time]`.
    """
    scale = query.shape[-1] ** -0.5

    @tf.custom_gradient
    def attend(query: tf.Tensor, key: tf.Tensor, value: tf.Tensor) -> Any:
        query *= scale
        share = _shares(query, key, seen)
        found = tf.matmul(tf.cast(share, value.dtype), value)

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            share = _shares(query, key, seen)
            of_value = tf.matmul(tf.cast(share, value.dtype), upstream, transpose_a=True)
            of_share = tf.cast(tf.matmul(upstream, value, transpose_b=True), share.dtype)
            # The mean of those by their shares, without another pass over all products.
            means = tf.cast(upstream, share.dtype) * tf.cast(found, share.dtype)
            mean = tf.reduce_sum(means, axis=-1, keepdims=True)
            of_product = tf.cast(share * (of_share - mean), query.dtype)
            of_key = tf.matmul(of_product, query, transpose_a=True)
            return tf.matmul(of_product, key) * scale, of_key, of_value

        return found, gradient

    return attend(query, key, value)


def _shares(query: tf.Tensor, key: tf.Tensor, seen: tf.Tensor) -> tf.Tensor:
    """`[batch, heads, queries, time]` in float32 at least; what is not seen has exactly 0."""
    dtype = keras.backend.result_type(query.dtype, "float32")
    product = tf.cast(tf.matmul(query, key, transpose_b=True), dtype)
    product = tf.ensure_shape(product, [None, query.shape[1], None, None])  # Lost in the loop.
    # Not infinite: a record of length 0 sees nothing, and its softmax may not be NaN.
    return tf.nn.softmax(tf.where(seen, product, tf.constant(product.dtype.min, product.dtype)))

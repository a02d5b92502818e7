"""Self-attention over the valid steps of each record; projections run on packed steps."""

from typing import Any

import keras
import tensorflow as tf

from trainer.layers.features import Dense
from trainer.layers.packing import longest
from trainer.layers.rows.attention_blocks import Blocks, Groups
from trainer.layers.rows.gaps import Gaps, records_and_steps
from trainer.layers.rows.once import once_in_graph

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
        groups = _groups(lengths, self.heads, self.most_products)
        angles = _angles(lengths, packed.shape[-1] // self.heads)
        query, key, value = (each(packed) for each in of_inputs)
        how = (self.heads, self.causal, self.most_products)
        return of_outputs(_attention(query, key, value, angles, groups, *how))

    def compute_output_spec(self, packed: Any, lengths: Any) -> Any:
        """As many features."""
        return keras.KerasTensor(packed.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        own = {"heads": self.heads, "causal": self.causal, "most_products": self.most_products}
        return {**super().get_config(), **own}


@once_in_graph
def _groups(lengths: tf.Tensor, heads: int, most_products: int) -> Groups:
    time = longest(lengths)
    most = tf.maximum(most_products // heads // time // time, 1)
    together = tf.minimum(most, tf.maximum(tf.size(lengths), 1))
    gaps, lengths, times = Gaps.side_by_side(lengths, together)
    return Groups(gaps, lengths, times, tf.cumsum(times, exclusive=True) * together)


@once_in_graph
def _angles(lengths: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Cosine and sine of what positions turn by: `[valid, 1, size / 2] float32`."""
    _, position = records_and_steps(lengths)
    return _angles_at(position, size)


def _angles_at(position: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    half = size // 2
    waves = tf.pow(_LONGEST_WAVE, -tf.range(half, dtype=tf.float32) / half)
    # In float32 whatever the policy: bfloat16 does not count to 1,000.
    angle = (tf.cast(position, tf.float32)[:, None] * waves)[:, None]
    return tf.cos(angle), tf.sin(angle)


def _turned(rows: tf.Tensor, cosine: tf.Tensor, sine: tf.Tensor) -> tf.Tensor:
    """`[valid, vectors, size]` turned by angles: value i with value i + size / 2."""
    first, second = tf.split(tf.cast(rows, tf.float32), 2, axis=-1)
    turned = [first * cosine - second * sine, second * cosine + first * sine]
    return tf.cast(tf.concat(turned, axis=-1), rows.dtype)


def _attention(
    query: tf.Tensor,
    key: tf.Tensor,
    value: tf.Tensor,
    angles: tuple[tf.Tensor, tf.Tensor],
    groups: Groups,
    heads: int,
    causal: bool,
    most_products: int,
) -> tf.Tensor:
    """All `[valid, features]`, also the result, of which each record sees its own rows."""
    features = query.shape[-1]
    size = features // heads
    cosine, sine = angles

    @tf.custom_gradient
    def attend(query: tf.Tensor, key: tf.Tensor, value: tf.Tensor) -> Any:
        both = tf.reshape(tf.concat([query, key], 1), [-1, 2 * heads, size])
        both = tf.reshape(_turned(both, cosine, sine), [-1, 2 * features])
        rows = groups.gaps.spread(tf.concat([both, value], 1))
        blocks = Blocks(rows, groups, heads, causal, most_products)
        found = blocks.forward()

        def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
            of_rows = blocks.backward(found, groups.gaps.spread(upstream))
            both, of_value = tf.split(groups.gaps.packed(of_rows), [2 * features, features], 1)
            both = _turned(tf.reshape(both, [-1, 2 * heads, size]), cosine, -sine)
            return [*tf.split(tf.reshape(both, [-1, 2 * features]), 2, 1), of_value]

        return groups.gaps.packed(found), gradient

    return attend(query, key, value)

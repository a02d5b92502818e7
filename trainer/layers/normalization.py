"""Input normalization on packed steps, so that an exported model takes the source's own values."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

KINDS = ("none", "training_split", "record")


@keras.saving.register_keras_serializable(package="trainer")
class Normalization(keras.layers.Layer):
    """Casts packed steps of any numeric dtype to the compute dtype, after normalizing them.

    Args:
        kind: "training_split" subtracts `mean` and divides by `deviation`; "record" takes both
            per channel (last axis) over the record's valid samples; "none" only casts.
        mean, deviation: one number, or one per channel. They are part of the configuration, not
            variables: they count as no parameters and need no training state. A channel with
            deviation 0 is only centred.
    """

    def __init__(
        self,
        kind: str = "none",
        mean: Sequence[float] = (),
        deviation: Sequence[float] = (),
        **kwargs: Any,
    ):
        # Normalizes in float32 at least, before the cast: bfloat16 keeps 8 bits of a large offset.
        super().__init__(autocast=False, **kwargs)
        if kind not in KINDS:
            raise ValueError(f"Normalization kind must be one of {KINDS}, got {kind!r}.")
        if kind == "training_split" and not (len(mean) == len(deviation) > 0):
            raise ValueError(
                "Normalization by the training split needs its mean and deviation, one number each "
                f"or one per channel; got {len(mean)} means and {len(deviation)} deviations."
            )
        self.kind = kind
        self.mean = [float(value) for value in mean]
        self.deviation = [float(value) for value in deviation]

    def call(self, packed: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """`[valid, ..., channels]` of any dtype, `[batch] int32` -> the same shape."""
        dtype = keras.backend.result_type(self.compute_dtype, "float32")
        values = tf.cast(packed, dtype)
        if self.kind == "training_split":
            mean, deviation = tf.constant(self.mean, dtype), tf.constant(self.deviation, dtype)
            values = (values - mean) / _divisor(deviation)
        elif self.kind == "record":
            values = _normalize_by_record(values, lengths)
        return tf.cast(values, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        own = {"kind": self.kind, "mean": self.mean, "deviation": self.deviation}
        return {**super().get_config(), **own}


def _normalize_by_record(values: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Two passes over the record: mean first, then the squared deviations from it."""
    rows = tf.reshape(values, [tf.shape(values)[0], -1, values.shape[-1] or 1])
    batch = tf.size(lengths)
    record = tf.repeat(tf.range(batch), lengths)
    # A mean of equal values is rounded, and dividing would blow that up; one of zeros is exact.
    first_step = tf.gather(tf.cumsum(lengths, exclusive=True), record)
    rows -= tf.gather(rows[:, :1], first_step)

    def mean_per_record(x: tf.Tensor) -> tf.Tensor:
        sums = tf.math.unsorted_segment_sum(tf.reduce_mean(x, axis=1), record, batch)
        return sums / tf.cast(tf.maximum(lengths, 1), x.dtype)[:, None]

    def spread(per_record: tf.Tensor) -> tf.Tensor:
        return tf.gather(per_record, record)[:, None]

    centred = rows - spread(mean_per_record(rows))
    deviation = tf.sqrt(mean_per_record(tf.square(centred)))
    return tf.reshape(centred / _divisor(spread(deviation)), tf.shape(values))


def _divisor(deviation: tf.Tensor) -> tf.Tensor:
    return tf.where(deviation > 0, deviation, tf.ones_like(deviation))

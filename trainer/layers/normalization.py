"""Input normalization on packed steps, so that an exported model takes the source's own values.

And the way back, to outputs in the unit of the labels.

A value is compared with a mean before it is rounded to the compute dtype, and sums are float64: an
offset of any size, and any number of samples, cost no digits of what is left.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from pipeline.batches.exact_difference import as_exact, exact_difference
from trainer.layers.rows.gaps import records_and_steps

KINDS = ("none", "training_split", "record")
_MAX_INT64 = 2.0**63 - 1024  # The largest float64 that is one.


@keras.saving.register_keras_serializable(package="trainer")
class Normalization(keras.layers.Layer):
    """Casts packed steps of any numeric dtype to the compute dtype, after normalizing them.

    Args:
        kind: "training_split" subtracts `mean` and divides by `deviation`; "record" takes both
            per channel (last axis) over the record's valid samples; "none" only casts.
        mean, deviation: one number, or one per channel. They are part of the configuration, not
            variables: they count as no parameters and need no training state. A channel with
            deviation 0 is only centred.
        like: for "record" by channel the number of the first that has the same mean and deviation,
            over the samples of both; none where each has its own.
    """

    def __init__(
        self,
        kind: str = "none",
        mean: Sequence[float] = (),
        deviation: Sequence[float] = (),
        like: Sequence[int] = (),
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
        self.like = [*like]

    def call(
        self, packed: tf.Tensor, lengths: tf.Tensor, padding: tf.Tensor | None = None
    ) -> tf.Tensor:
        """`[valid, ..., channels]` of any dtype, `[batch] int32` -> the same shape.

        Args:
          packed: steps.
          lengths: of each record.
          padding: `[batch] int32`, samples (along axis 1) at the end of a record's last step that
            were not recorded: they enter no statistic, and are 0 afterwards.
        """
        dtype = keras.backend.result_type(self.compute_dtype, "float32")
        values = as_exact(packed, dtype)
        is_real = None if padding is None else _is_recorded(packed, lengths, padding)
        if self.kind == "training_split":
            values = _scaled(values, self.mean, self.deviation, dtype)
        elif self.kind == "record":
            rows = tf.reshape(values, [tf.shape(values)[0], -1, values.shape[-1] or 1])
            rows = _normalize_by_record(rows, lengths, is_real, dtype, self.like)
            values = tf.reshape(rows, tf.shape(values))
        values = tf.cast(values, self.compute_dtype)
        if is_real is None:
            return values
        is_real = tf.reshape(is_real, [-1, values.shape[1], *[1] * (len(values.shape) - 2)])
        return tf.where(is_real, values, tf.zeros_like(values))

    def compute_output_spec(self, packed: Any, lengths: Any, padding: Any = None) -> Any:
        """The shape stays."""
        return keras.KerasTensor(packed.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        own = {"kind": self.kind, "mean": self.mean, "deviation": self.deviation}
        like = {"like": self.like} if self.like else {}
        return {**super().get_config(), **own, **like}


@keras.saving.register_keras_serializable(package="trainer")
class ChannelRoles(keras.layers.Layer):
    """Takes the channels of signals from one normalization, all others from another.

    Channels that a record lacks become 0.

    Args:
        kinds: of each channel, as `tfrecords_schema.channels.ChannelRole` has it.
        shown_by: for each the number of the flag that is 0 in records that lack it, or -1.
    """

    def __init__(self, kinds: Sequence[str], shown_by: Sequence[int], **kwargs: Any):
        super().__init__(**kwargs)
        self.kinds, self.shown_by = [*kinds], [*shown_by]

    def call(self, signals: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
        """`[valid, ..., channels]` twice, the second with flags as they are -> once."""
        are_signals = tf.constant([kind == "signal" for kind in self.kinds])
        found = tf.where(are_signals, signals, others)
        always = [shown_by < 0 for shown_by in self.shown_by]
        if all(always):
            return found
        flags = tf.gather(others, [max(0, shown_by) for shown_by in self.shown_by], axis=-1)
        return tf.where(tf.constant(always) | (flags > 0), found, tf.zeros_like(found))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "kinds": self.kinds, "shown_by": self.shown_by}


@keras.saving.register_keras_serializable(package="trainer")
class LabelScale(keras.layers.Layer):
    """Multiplies by the labels' deviation and adds their mean, which a training sets at its start.

    The last layer of a network that predicts values: an update moves a weight by about the learning
    rate, and the way to labels of hundreds would take most of a training.
    """

    def build(self, input_shape: Any) -> None:
        """Creates both numbers for each value, 0 and 1."""
        shape = (input_shape[-1],)
        self.mean = self.add_weight(name="mean", shape=shape, trainable=False)
        self.deviation = self.add_weight(
            name="deviation", shape=shape, initializer="ones", trainable=False
        )

    def call(self, values: tf.Tensor) -> tf.Tensor:
        """`[rows, values]` -> the same shape."""
        return values * self.deviation + self.mean

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape stays."""
        return input_shape


def _origin(base: tf.Tensor, mean: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """`base + mean` as a number of the dtype of `base`, and the float64 rest that this leaves.

    Args:
      base: of a dtype of `as_exact`.
      mean: float64, above the base.
    """
    if base.dtype != tf.int64:
        mean += tf.cast(base, tf.float64)
        origin = tf.cast(mean, base.dtype)
        return origin, mean - tf.cast(origin, tf.float64)
    whole = tf.clip_by_value(tf.round(mean), -_MAX_INT64, _MAX_INT64)
    return base + tf.cast(whole, tf.int64), mean - whole


def _scaled(
    values: tf.Tensor, mean: Sequence[float], deviation: Sequence[float], dtype: str
) -> tf.Tensor:
    zero = tf.zeros([len(mean)], values.dtype)
    origin, rest = _origin(zero, tf.constant(mean, tf.float64))
    divisor = _divisor(tf.constant(deviation, dtype))
    # Divided one by one: TensorFlow would merge two constants that are subtracted into one.
    return exact_difference(values, origin, dtype) / divisor - tf.cast(rest, dtype) / divisor


def _is_recorded(packed: tf.Tensor, lengths: tf.Tensor, padding: tf.Tensor) -> tf.Tensor:
    """`[valid, samples]` bool: all samples but those that fill the last step of a record."""
    samples = packed.shape[1]
    ends = tf.cumsum(lengths) - 1
    is_record = lengths > 0
    last = tf.scatter_nd(
        tf.boolean_mask(ends, is_record)[:, None],
        tf.boolean_mask(padding, is_record),
        tf.shape(packed)[:1],
    )
    return tf.range(samples)[None] < samples - last[:, None]


def _normalize_by_record(
    rows: tf.Tensor,
    lengths: tf.Tensor,
    is_real: tf.Tensor | None,
    dtype: str,
    like: Sequence[int],
) -> tf.Tensor:
    """Mean first, then the squared deviations from it: `[valid, samples, channels]`."""
    batch = tf.size(lengths)
    record, _ = records_and_steps(lengths)
    first_step = tf.cumsum(lengths, exclusive=True)
    # A mean of equal values is rounded, and dividing would blow that up; one of zeros is exact.
    nothing = tf.zeros([1, rows.shape[-1]], rows.dtype)  # For records without a step at the end.
    first = tf.gather(tf.concat([rows[:, 0], nothing], axis=0), first_step)
    first = tf.gather(first, like, axis=1) if like else first

    def spread(per_record: tf.Tensor) -> tf.Tensor:
        return tf.gather(per_record, record)[:, None]

    def mean_per_record(x: tf.Tensor) -> tf.Tensor:
        x = tf.cast(x, tf.float64)
        if is_real is not None:
            x = tf.where(is_real[..., None], x, tf.zeros_like(x))
        mean = tf.math.divide_no_nan(
            tf.math.unsorted_segment_sum(tf.reduce_sum(x, axis=1), record, batch), count
        )
        return _pooled(mean, like) if like else mean

    places = (
        tf.ones(tf.shape(rows)[:2], tf.float64) if is_real is None else tf.cast(is_real, tf.float64)
    )
    count = tf.math.unsorted_segment_sum(tf.reduce_sum(places, axis=1), record, batch)[:, None]
    origin, rest = _origin(
        first, mean_per_record(exact_difference(rows, spread(first), tf.float64))
    )
    centred = exact_difference(rows, spread(origin), dtype) - spread(tf.cast(rest, dtype))
    deviation = tf.cast(tf.sqrt(mean_per_record(tf.square(tf.cast(centred, tf.float64)))), dtype)
    return centred / _divisor(spread(deviation))


def _pooled(mean: tf.Tensor, like: Sequence[int]) -> tf.Tensor:
    """Means `[batch, channels]` of as many samples each: over all that are alike."""
    sums = tf.math.unsorted_segment_sum(tf.transpose(mean), like, len(like))
    counts = tf.constant([float(max(1, [*like].count(n))) for n in range(len(like))], mean.dtype)
    return tf.gather(tf.transpose(sums) / counts, like, axis=1)


def _divisor(deviation: tf.Tensor) -> tf.Tensor:
    return tf.where(deviation > 0, deviation, tf.ones_like(deviation))

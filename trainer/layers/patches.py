"""Fewer, longer steps and back: neighbouring steps of a record as one, each patch as its steps."""

from typing import Any

import keras
import tensorflow as tf


def patch_lengths(lengths: tf.Tensor, steps: int) -> tf.Tensor:
    """Patches of each record: its steps in groups of so many, the last one filled up."""
    return -(-lengths // steps)


@keras.saving.register_keras_serializable(package="trainer")
class LengthsInSamples(keras.layers.Layer):
    """Lengths of records in samples, of those in steps.

    Args:
      samples: of a step.
    """

    def __init__(self, samples: int, **kwargs: Any):
        super().__init__(**{"autocast": False, **kwargs})
        self.samples = samples

    def call(self, lengths: tf.Tensor) -> tf.Tensor:
        """`[batch] int32` -> the same shape."""
        return lengths * self.samples

    def compute_output_spec(self, lengths: Any) -> Any:
        """The same; a product of Keras tensors and numbers would count as sparse."""
        return keras.KerasTensor(lengths.shape, dtype="int32")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "samples": self.samples}


@keras.saving.register_keras_serializable(package="trainer")
class DropPadding(keras.layers.Layer):
    """Leaves out the samples at the end of each record that were not recorded."""

    def __init__(self, **kwargs: Any):
        super().__init__(**{"autocast": False, **kwargs})

    def call(
        self, packed: tf.Tensor, lengths: tf.Tensor, padding: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """`[valid, ...]`, `[batch] int32` with the padding, `[batch] int32` of it -> both without.

        The dtype of the samples stays.
        """
        recorded = lengths - padding
        within = tf.ragged.range(lengths).flat_values
        is_recorded = within < tf.repeat(recorded, lengths)
        return tf.boolean_mask(packed, is_recorded), recorded

    def compute_output_spec(self, packed: Any, lengths: Any, padding: Any) -> Any:
        """The same, of any number of samples."""
        rows = keras.KerasTensor((None, *packed.shape[1:]), dtype=packed.dtype)
        return rows, keras.KerasTensor(lengths.shape, dtype="int32")


@keras.saving.register_keras_serializable(package="trainer")
class StepMeans(keras.layers.Layer):
    """The mean over the rows of each step, of which a record's last one may have fewer.

    Args:
      samples: rows of a step.
    """

    def __init__(self, samples: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.samples = samples

    def call(self, rows: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """`[rows, features]`, `[batch]` of rows -> `[steps, features]`."""
        step = _places(lengths, self.samples) // self.samples
        steps = tf.reduce_sum(patch_lengths(lengths, self.samples))
        values = tf.cast(rows, keras.backend.result_type(rows.dtype, "float32"))
        return tf.cast(tf.math.unsorted_segment_mean(values, step, steps), rows.dtype)

    def compute_output_spec(self, rows: Any, lengths: Any) -> Any:
        """As many features."""
        return keras.KerasTensor((None, *rows.shape[1:]), dtype=rows.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "samples": self.samples}


@keras.saving.register_keras_serializable(package="trainer")
class JoinSteps(keras.layers.Layer):
    """Joins every `steps` steps of a record to one; beyond the record's end there are zeros.

    Args:
      steps: how many.
    """

    def __init__(self, steps: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.steps = steps

    def call(self, packed: tf.Tensor, lengths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """`[valid, channels]`, `[batch]` -> `[patches, steps * channels]`, `[batch]` of patches."""
        patches, channels = patch_lengths(lengths, self.steps), packed.shape[-1]
        filled = tf.scatter_nd(
            _places(lengths, self.steps)[:, None],
            packed,
            [tf.reduce_sum(patches) * self.steps, channels],
        )
        return tf.reshape(filled, [-1, self.steps * channels]), patches

    def compute_output_spec(self, packed: Any, lengths: Any) -> Any:
        """Known number of values."""
        joined = keras.KerasTensor((None, self.steps * packed.shape[-1]), dtype=packed.dtype)
        return joined, keras.KerasTensor(lengths.shape, dtype="int32")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "steps": self.steps}


@keras.saving.register_keras_serializable(package="trainer")
class RepeatPatches(keras.layers.Layer):
    """Gives every step what its patch has, the way back from `JoinSteps`.

    Args:
      steps: of a patch.
    """

    def __init__(self, steps: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.steps = steps

    def call(self, patches: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """`[patches, features]`, `[batch]` of steps -> `[valid, features]`."""
        return tf.gather(patches, _places(lengths, self.steps) // self.steps)

    def compute_output_spec(self, patches: Any, lengths: Any) -> Any:
        """As many features."""
        return keras.KerasTensor((None, *patches.shape[1:]), dtype=patches.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "steps": self.steps}


def _places(lengths: tf.Tensor, steps: int) -> tf.Tensor:
    """`[valid]`: where each step stands once every record is filled up to whole patches."""
    filled = patch_lengths(lengths, steps) * steps
    moved_by = tf.cumsum(filled - lengths, exclusive=True)
    return tf.range(tf.reduce_sum(lengths)) + tf.repeat(moved_by, lengths)

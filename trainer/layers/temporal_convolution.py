"""Convolution over the time axis of packed steps."""

from typing import Any

import keras
import tensorflow as tf

from trainer.layers.packing import longest, pack_steps, unpack_steps


@keras.saving.register_keras_serializable(package="trainer")
class TemporalConvolution(keras.layers.Layer):
    """A Conv1D over time with "same" padding; beyond a record's ends it sees zeros.

    The steps are unpacked to zeros before and packed after, so that neither padding nor the
    neighbouring record enters.
    """

    def __init__(self, filters: int, kernel_steps: int, activation: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.convolution = keras.layers.Conv1D(
            filters, kernel_steps, padding="same", activation=activation, dtype=self.dtype_policy
        )

    def build(self, packed_shape: Any, lengths_shape: Any = None) -> None:
        """Builds the convolution for `features` inputs."""
        self.convolution.build((None, None, packed_shape[-1]))
        self.built = True

    def call(self, packed: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """`[valid, features]`, `[batch] int32` -> `[valid, filters]`."""
        return pack_steps(
            self.convolution(unpack_steps(packed, lengths, longest(lengths))), lengths
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        inner = self.convolution.get_config()
        own = {
            "filters": inner["filters"],
            "kernel_steps": inner["kernel_size"][0],
            "activation": inner["activation"],
        }
        return {**super().get_config(), **own}

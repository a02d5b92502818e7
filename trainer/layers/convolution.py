"""Convolutions for packed steps, of which a replica may have none.

With oneDNN, TensorFlow's CPU convolutions of an empty batch return the shape of their input, and
their filter gradient returns nothing (seen in 2.21; compare tensorflow#14657, keras#22564). So they
get one row of zeros instead, and its result is dropped.
"""

import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from trainer.layers.features import with_bias
from trainer.layers.rows.gaps import slide
from trainer.layers.rows.windows import (
    convolution_of_rows,
    depthwise_convolution_of_rows,
    maximum_of_rows,
    strided_convolution,
)


def call_never_empty(function: Callable[[tf.Tensor], tf.Tensor], rows: tf.Tensor) -> tf.Tensor:
    """Returns `function(rows)` for `[rows, ...]`; `function` never sees an empty batch.

    A pad by no row and a slice of all pass tensors on uncopied, and so do their gradients. A
    condition would be traced twice, and again for its gradient.
    """
    count = tf.shape(rows)[0]
    given = tf.pad(rows, [[0, 1 - tf.minimum(count, 1)]] + [[0, 0]] * (len(rows.shape) - 1))
    outputs = function(tf.ensure_shape(given, [None, *rows.shape[1:]]))
    others = outputs.shape[1:]
    found = tf.slice(outputs, [0] * (len(others) + 1), [count] + [-1] * len(others))
    found.set_shape([None, *others])
    return found


class _NeverEmpty(keras.layers.Layer):
    """A stock convolution's `call` through `call_never_empty`, with a bias that learns."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """The stock layer's result; `[0, ...]` for `[0, ...]`."""
        plain = self.data_format == "channels_last" and self.padding != "causal"
        return call_never_empty(self._convolved if plain else super().call, inputs)

    def _convolved(self, inputs: tf.Tensor) -> tf.Tensor:
        outputs = self.convolution_op(inputs, tf.convert_to_tensor(self.kernel))
        if self.use_bias:
            outputs = with_bias(outputs, tf.convert_to_tensor(self.bias))
        return outputs if self.activation is None else self.activation(outputs)


@keras.saving.register_keras_serializable(package="trainer")
class Conv1D(_NeverEmpty, keras.layers.Conv1D):
    """`keras.layers.Conv1D` that takes an empty batch, and is faster where it is strided."""

    def convolution_op(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """`[rows, samples, channels]` -> `[rows, outputs, filters]`."""
        if self._folds(inputs):
            return strided_convolution(inputs, kernel, self.strides[0])
        return super().convolution_op(inputs, kernel)

    def _folds(self, inputs: tf.Tensor) -> bool:
        plain = self.dilation_rate[0] == self.groups == 1 and self.padding == "valid"
        known = self.data_format == "channels_last" and inputs.shape[1] is not None
        # cuDNN has kernels of its own for strides; folding was measured on CPUs only.
        on_cpu = not tf.config.list_logical_devices("GPU")
        return self.strides[0] > 1 and plain and known and on_cpu


@keras.saving.register_keras_serializable(package="trainer")
class Conv2D(_NeverEmpty, keras.layers.Conv2D):
    """`keras.layers.Conv2D` that takes an empty batch."""


@keras.saving.register_keras_serializable(package="trainer")
class NeverEmpty(keras.layers.Wrapper):
    """Lets a layer or a whole backbone of stock layers take an empty batch.

    A layer inside that learns batch statistics would count the row of zeros.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`[rows, ...]` -> the wrapped layer's output."""
        return call_never_empty(self.layer, inputs)


@keras.saving.register_keras_serializable(package="trainer")
class TemporalConvolution(keras.layers.Layer):
    """A Conv1D over time; beyond a record's ends it sees zeros, as on the record alone.

    Args:
      filters: outputs.
      kernel_steps: length of the kernel.
      activation: of the outputs.
      dilation: steps from one element of the kernel to the next.
      causal: whether a step sees only itself and earlier ones; else as many on both sides.
      use_bias: whether outputs have one.
    """

    def __init__(
        self,
        filters: int,
        kernel_steps: int,
        activation: Any = None,
        *,
        dilation: int = 1,
        causal: bool = False,
        use_bias: bool = True,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.dilation, self.causal = dilation, causal
        self.convolution = keras.layers.Conv1D(
            filters,
            kernel_steps,
            dilation_rate=dilation,
            padding="causal" if causal else "same",
            activation=activation,
            use_bias=use_bias,
            dtype=self.dtype_policy,
            name="conv1d",  # Keras would number it, and a checkpoint have another name each time.
        )

    def build(self, packed_shape: Any, lengths_shape: Any = None) -> None:
        """Builds the convolution for `features` inputs."""
        self.convolution.build((None, None, packed_shape[-1]))
        self.built = True

    def call(self, packed: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """`[valid, features]`, `[batch] int32` -> `[valid, filters]`."""
        inner = self.convolution
        kernel = tf.cast(tf.convert_to_tensor(inner.kernel), self.compute_dtype)
        window = functools.partial(convolution_of_rows, dilation=self.dilation)
        reach = (kernel.shape[0] - 1) * self.dilation
        outputs = slide(window, packed, lengths, reach, kernel, causal=self.causal)
        if inner.use_bias:
            outputs = with_bias(outputs, tf.convert_to_tensor(inner.bias))
        return outputs if inner.activation is None else inner.activation(outputs)

    def compute_output_spec(self, packed: Any, lengths: Any) -> Any:
        """Known without a trace, which takes long."""
        return keras.KerasTensor((None, self.convolution.filters), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        inner = self.convolution.get_config()
        own = {
            "filters": inner["filters"],
            "kernel_steps": inner["kernel_size"][0],
            "activation": inner["activation"],
            "dilation": self.dilation,
            "causal": self.causal,
            "use_bias": inner["use_bias"],
        }
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="trainer")
class TemporalDepthwiseConvolution(keras.layers.Layer):
    """A convolution over time of each feature by itself; zeros beyond a record's ends.

    Time is the height of an image here: along its width, as `keras.layers.DepthwiseConv1D` has it,
    the gradient takes 5 times as long (31 steps, 64 features, two cores).

    Args:
      kernel_steps: length of the kernel.
      dilation: steps from one element of the kernel to the next; a power of two to 256.
      causal: whether a step sees only itself and earlier ones; else as many on both sides.
      use_bias: whether outputs have one.
    """

    def __init__(
        self,
        kernel_steps: int,
        *,
        dilation: int = 1,
        causal: bool = False,
        use_bias: bool = True,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.kernel_steps, self.dilation = kernel_steps, dilation
        self.causal, self.use_bias = causal, use_bias

    def build(self, packed_shape: Any, lengths_shape: Any = None) -> None:
        """Creates a kernel for each feature."""
        shape = (self.kernel_steps, 1, packed_shape[-1], 1)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="glorot_uniform")
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=shape[2:3], initializer="zeros")

    def call(self, packed: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """`[valid, features]`, `[batch] int32` -> `[valid, features]`."""
        window = functools.partial(depthwise_convolution_of_rows, dilation=self.dilation)
        kernel, reach = tf.convert_to_tensor(self.kernel), (self.kernel_steps - 1) * self.dilation
        outputs = slide(
            window, packed, lengths, reach, kernel, causal=self.causal, multiple=self.dilation
        )
        return outputs if self.bias is None else outputs + tf.convert_to_tensor(self.bias)

    def compute_output_spec(self, packed: Any, lengths: Any) -> Any:
        """As many features."""
        return keras.KerasTensor(packed.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        own = {
            "kernel_steps": self.kernel_steps,
            "dilation": self.dilation,
            "causal": self.causal,
            "use_bias": self.use_bias,
        }
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="trainer")
class TemporalMaxPooling(keras.layers.Layer):
    """The greatest of so many neighbouring steps of the record, for each of its steps.

    Args:
      steps: how many, the step in their middle.
      causal: whether the step is the last of them instead.
    """

    def __init__(self, steps: int, *, causal: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.steps, self.causal = steps, causal

    def call(self, packed: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """`[valid, features]`, `[batch] int32` -> `[valid, features]`."""
        window = functools.partial(maximum_of_rows, steps=self.steps)
        fill, reach = packed.dtype.min, self.steps - 1
        return slide(window, packed, lengths, reach, causal=self.causal, fill=fill)

    def compute_output_spec(self, packed: Any, lengths: Any) -> Any:
        """As many features."""
        return keras.KerasTensor(packed.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "steps": self.steps, "causal": self.causal}

"""Convolutions for packed steps, of which a replica may have none.

With oneDNN, TensorFlow's CPU convolutions of an empty batch return the shape of their input, and
their filter gradient returns nothing (seen in 2.21; compare tensorflow#14657, keras#22564). So they
get one row of zeros instead, and its result is dropped.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from trainer.layers.features import with_bias
from trainer.layers.gaps import Gaps

# Channels from which products of each shift by itself are faster than one of all, in
# `_shifted_products`, and those of `_products_of_many` than oneDNN's gradient.
_APART_FROM, _PRODUCTS_FROM = 16, 32
_ROWS_IN_CACHE = 8192


def call_never_empty(function: Callable[[tf.Tensor], tf.Tensor], rows: tf.Tensor) -> tf.Tensor:
    """Returns `function(rows)` for `[rows, ...]`; `function` never sees an empty batch.

    Both conditions pass tensors on uncopied, and the function stands outside of them: it is
    traced once and may communicate between replicas.
    """
    any_rows = tf.shape(rows)[0] > 0
    one_row = [[0, 1]] + [[0, 0]] * (len(rows.shape) - 1)
    given = tf.cond(any_rows, lambda: rows, lambda: tf.pad(rows, one_row))
    outputs = function(tf.ensure_shape(given, [None, *rows.shape[1:]]))
    return tf.cond(any_rows, lambda: outputs, lambda: outputs[:0])


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
            return _strided_convolution(inputs, kernel, self.strides[0])
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
        reach = (kernel.shape[0] - 1) * self.dilation
        before = reach if self.causal else reach // 2

        gaps = Gaps.around(lengths, max(before, reach - before))
        outputs = gaps.slide(
            lambda rows: convolution_of_rows(rows, kernel, self.dilation), packed, before
        )
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
        kernel = tf.convert_to_tensor(self.kernel)

        def window(rows: tf.Tensor) -> tf.Tensor:
            # Every so many rows are an image of their own, which dilates the kernel.
            images = tf.reshape(rows, [-1, self.dilation, 1, rows.shape[-1]])
            images = tf.transpose(images, [1, 0, 2, 3])
            found = tf.nn.depthwise_conv2d(images, kernel, [1, 1, 1, 1], "VALID")
            found = tf.transpose(found, [1, 0, 2, 3])
            return tf.reshape(found, [-1, rows.shape[-1]])

        reach = (self.kernel_steps - 1) * self.dilation
        before = reach if self.causal else reach // 2
        gaps = Gaps.around(lengths, max(before, reach - before), self.dilation)
        outputs = gaps.slide(window, packed, before)
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

        def window(rows: tf.Tensor) -> tf.Tensor:
            return tf.squeeze(tf.nn.max_pool1d(rows[None], self.steps, 1, "VALID"), [0])

        reach = self.steps - 1
        before = reach if self.causal else reach // 2
        gaps = Gaps.around(lengths, max(before, reach - before))
        return gaps.slide(window, packed, before, fill=packed.dtype.min)

    def compute_output_spec(self, packed: Any, lengths: Any) -> Any:
        """As many features."""
        return keras.KerasTensor(packed.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "steps": self.steps, "causal": self.causal}


def convolution_of_rows(rows: tf.Tensor, kernel: tf.Tensor, dilation: int) -> tf.Tensor:
    """Returns the "valid" convolution of one long row.

    Args:
      rows: `[size, channels]`.
      kernel: `[kernel samples, channels, filters]`.
      dilation: rows from one element of the kernel to the next.

    Returns:
      `[size - (kernel samples - 1) * dilation, filters]`.
    """

    def of_kernel(inputs: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        return _shifted_products(inputs[0], upstream[0], kernel.shape[0], dilation)

    return _convolution(rows[tf.newaxis], kernel, dilation, of_kernel)[0]


def _convolution(
    inputs: tf.Tensor,
    kernel: tf.Tensor,
    dilation: int,
    of_kernel: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
) -> tf.Tensor:
    """The "valid" convolution of `[rows, samples, channels]`; the kernel's gradient is given."""

    def convolved(inputs: tf.Tensor, kernel: tf.Tensor, zeros: int) -> tf.Tensor:
        found = tf.raw_ops.Conv2D(
            input=inputs[:, tf.newaxis], filter=kernel[tf.newaxis], strides=[1] * 4,
            padding="EXPLICIT", explicit_paddings=[0] * 4 + [zeros] * 2 + [0] * 2,
            dilations=[1, 1, dilation, 1],
        )  # fmt: skip
        return tf.squeeze(found, [1])

    @tf.custom_gradient
    def convolve(inputs: tf.Tensor, kernel: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            flipped = tf.transpose(tf.reverse(kernel, [0]), [0, 2, 1])
            of_inputs = convolved(upstream, flipped, (kernel.shape[0] - 1) * dilation)
            return of_inputs, of_kernel(inputs, upstream)

        return convolved(inputs, kernel, 0), gradient

    return convolve(inputs, kernel)


def _shifted_products(
    rows: tf.Tensor, upstream: tf.Tensor, kernel_samples: int, dilation: int = 1
) -> tf.Tensor:
    """The gradient of the kernel of a convolution of one long row.

    oneDNN's own takes 1.1 to 3 times as long there, and 500 times with a kernel of 40 and 32
    channels (8,448 rows, Zen 5, one core).
    """
    outputs = tf.shape(upstream)[0]
    starts = range(0, kernel_samples * dilation, dilation)
    if rows.shape[-1] < _APART_FROM:
        channels = tf.transpose(rows)
        beside = tf.concat([channels[:, s : s + outputs] for s in starts], 0)
        shape = [kernel_samples, rows.shape[-1], upstream.shape[-1]]
        return tf.reshape(tf.matmul(beside, upstream), shape)
    return tf.stack([tf.matmul(rows[s : s + outputs], upstream, transpose_a=True) for s in starts])


def _products_of_many(inputs: tf.Tensor, upstream: tf.Tensor, kernel_samples: int) -> tf.Tensor:
    """The gradient of the kernel of a convolution of `[rows, samples, channels]`.

    Some rows at a time, which stay in the cache, are one long row, with zeros upstream where the
    kernel reaches from one into the next. That takes 0.4 of oneDNN's time for rows of 499 samples
    of 64 channels, and 0.9 for 242; with fewer than 32 channels it takes longer.
    """
    together, reach = max(1, _ROWS_IN_CACHE // inputs.shape[1]), kernel_samples - 1

    def add(first: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        part = tf.pad(upstream[first : first + together], [[0, 0], [0, reach], [0, 0]])
        part = tf.reshape(part, [-1, part.shape[-1]])
        rows = tf.reshape(inputs[first : first + together], [-1, inputs.shape[-1]])
        found = _shifted_products(rows, part[: tf.shape(part)[0] - reach], kernel_samples)
        return first + together, total + tf.cast(found, total.dtype)

    shape = [kernel_samples, inputs.shape[-1], upstream.shape[-1]]
    total = tf.zeros(shape, keras.backend.result_type(inputs.dtype, "float32"))
    loop = tf.while_loop(lambda first, _: first < tf.shape(inputs)[0], add, (0, total))
    return tf.cast(loop[1], inputs.dtype)


def _strided_convolution(inputs: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """Returns the "valid" convolution at every `stride`-th sample, as one of stride 1.

    oneDNN's filter gradient is slow where the stride is not 1. With the stride folded into the
    channels, `[rows, samples, channels]` seen as `[rows, samples / stride, stride * channels]`, the
    published model's four layers take 0.76 of their processor time in float32 and 0.66 in bfloat16
    (forward and backward, Zen 4, two cores), and the whole training step 0.83 and 0.79.

    Args:
        inputs: `[rows, samples, channels]`; samples known, and at least the kernel's.
        kernel: `[kernel samples, channels, filters]`.
        stride: at least 1.
    """
    kernel_samples, channels, filters = kernel.shape
    groups = -(-kernel_samples // stride)
    outputs = (inputs.shape[1] - kernel_samples) // stride + 1
    folded_steps = outputs - 1 + groups
    samples = _fit(inputs, folded_steps * stride)
    folded = tf.reshape(samples, [-1, folded_steps, stride * channels])
    padded = tf.pad(kernel, [[0, groups * stride - kernel_samples], [0, 0], [0, 0]])
    folded_kernel = tf.reshape(padded, [groups, stride * channels, filters])
    if stride * channels < _PRODUCTS_FROM:
        return tf.nn.conv1d(folded, folded_kernel, stride=1, padding="VALID")

    def of_kernel(inputs: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        return _products_of_many(inputs, upstream, groups)

    return _convolution(folded, folded_kernel, 1, of_kernel)


def _fit(inputs: tf.Tensor, samples: int) -> tf.Tensor:
    """Cuts what no output sees, or adds zeros where only the kernel's own zeros reach."""
    given = inputs.shape[1]
    if samples > given:
        return tf.pad(inputs, [[0, 0], [0, samples - given], [0, 0]])
    # The gradient of tf.slice is a pad; that of indexing takes one core, and long in bfloat16.
    return inputs if samples == given else tf.slice(inputs, [0, 0, 0], [-1, samples, -1])

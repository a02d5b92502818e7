"""Convolutions of one long row, or of many, with gradients that are faster than TensorFlow's."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from trainer.layers.rows.once import once_in_graph

# Channels from which products of each shift by itself are faster than one of all, in
# `_shifted_products`, and those of `_products_of_many` than oneDNN's gradient.
_APART_FROM, _PRODUCTS_FROM = 16, 32
_ROWS_IN_CACHE = 8192
# Channels from which one row is convolved in pieces of so many rows, see `_is_slow_on_one_row`.
_PIECES_FROM, _ROWS_OF_PIECE = 32, 256

_Gradient = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def convolution_of_rows(
    rows: tf.Tensor, kernel: tf.Tensor, dilation: int
) -> tuple[tf.Tensor, _Gradient]:
    """Returns the "valid" convolution of one long row, and its gradient; see `gaps.Window`.

    Args:
      rows: `[size, channels]`.
      kernel: `[kernel samples, channels, filters]`.
      dilation: rows from one element of the kernel to the next.

    Returns:
      `[size - (kernel samples - 1) * dilation, filters]`; of rows and kernel.
    """

    def of_kernel(upstream: tf.Tensor) -> tf.Tensor:
        return _shifted_products(rows, upstream, kernel.shape[0], dilation)

    return _convolution(rows, kernel, dilation, of_kernel)


def depthwise_convolution_of_rows(
    rows: tf.Tensor, kernel: tf.Tensor, dilation: int = 1
) -> tuple[tf.Tensor, _Gradient]:
    """Like `convolution_of_rows`, of each channel by itself.

    Args:
      rows: `[size, channels]`, a multiple of the dilation.
      kernel: `[kernel samples, 1, channels, filters of each]`.
      dilation: rows from one element of the kernel to the next.
    """

    def as_images(rows: tf.Tensor) -> tf.Tensor:
        if dilation == 1:
            return tf.reshape(rows, [1, -1, 1, rows.shape[-1]])
        # Every so many rows are an image of their own, which dilates the kernel.
        images = tf.reshape(rows, [-1, dilation, 1, rows.shape[-1]])
        return tf.transpose(images, [1, 0, 2, 3])

    def as_rows(images: tf.Tensor, channels: int) -> tf.Tensor:
        rows = images if dilation == 1 else tf.transpose(images, [1, 0, 2, 3])
        return tf.reshape(rows, [-1, channels])

    images, how = as_images(rows), {"strides": [1] * 4, "padding": "VALID"}
    found = tf.raw_ops.DepthwiseConv2dNative(input=images, filter=kernel, **how)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        of_found = as_images(upstream)
        of_images = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
            input_sizes=tf.shape(images), filter=kernel, out_backprop=of_found, **how
        )
        of_kernel = tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
            input=images, filter_sizes=[*kernel.shape], out_backprop=of_found, **how
        )
        return as_rows(of_images, rows.shape[-1]), of_kernel

    return as_rows(found, kernel.shape[2] * kernel.shape[3]), gradient


def maximum_of_rows(
    rows: tf.Tensor, steps: int
) -> tuple[tf.Tensor, Callable[[tf.Tensor], list[tf.Tensor]]]:
    """The greatest of so many neighbouring rows, `[size - steps + 1, channels]`; its gradient."""
    shape = [1, -1, 1, rows.shape[-1]]
    how = {"ksize": [1, steps, 1, 1], "strides": [1] * 4, "padding": "VALID"}
    image = tf.reshape(rows, shape)
    found = tf.raw_ops.MaxPool(input=image, **how)

    def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
        of_image = tf.raw_ops.MaxPoolGrad(
            orig_input=image, orig_output=found, grad=tf.reshape(upstream, shape), **how
        )
        return [tf.reshape(of_image, [-1, shape[-1]])]

    return tf.reshape(found, [-1, shape[-1]]), gradient


def _convolution(
    inputs: tf.Tensor,
    kernel: tf.Tensor,
    dilation: int,
    of_kernel: Callable[[tf.Tensor], tf.Tensor],
) -> tuple[tf.Tensor, _Gradient]:
    """The "valid" convolution of `[(rows), samples, channels]`; the kernel's gradient is given."""
    reach, changes = (kernel.shape[0] - 1) * dilation, tf.get_static_value(kernel) is None

    def convolved(inputs: tf.Tensor, kernel: tf.Tensor, zeros: int) -> tf.Tensor:
        one_row, (samples, channels, filters) = len(inputs.shape) == 2, kernel.shape
        if one_row and changes and channels >= _PIECES_FROM and _is_slow_on_one_row():
            rows = tf.pad(inputs, [[zeros] * 2, [0, 0]]) if zeros else inputs
            pieces = convolved(_pieces(rows, reach), kernel, 0)
            return tf.reshape(pieces, [-1, filters])[: tf.shape(rows)[0] - reach]
        image = tf.reshape(inputs, [1, 1, -1, channels]) if one_row else inputs[:, tf.newaxis]
        found = tf.raw_ops.Conv2D(
            input=image, filter=tf.reshape(kernel, [1, samples, channels, filters]),
            strides=[1] * 4, padding="EXPLICIT", dilations=[1, 1, dilation, 1],
            explicit_paddings=[0] * 4 + [zeros] * 2 + [0] * 2,
        )  # fmt: skip
        return tf.squeeze(found, [0, 1] if one_row else [1])

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        flipped = tf.transpose(tf.reverse(kernel, [0]), [0, 2, 1])
        return convolved(upstream, flipped, reach), of_kernel(upstream)

    return convolved(inputs, kernel, 0), gradient


def _pieces(rows: tf.Tensor, reach: int) -> tf.Tensor:
    """Rows as pieces, each with the next `reach` rows; behind the end is the last row again.

    Args:
      rows: `[size, channels]`, at least `reach`.
      reach: of a kernel beyond the row that it begins at.

    Returns:
      `[pieces, rows of one, channels]`.
    """
    last, length = tf.shape(rows)[0] - 1, max(_ROWS_OF_PIECE, reach)
    starts = tf.range(0, last + 1 - reach, length)
    return tf.gather(rows, tf.minimum(starts[:, tf.newaxis] + tf.range(length + reach), last))


def _shifted_products(
    rows: tf.Tensor, upstream: tf.Tensor, kernel_samples: int, dilation: int = 1
) -> tf.Tensor:
    """The gradient of the kernel of a convolution of one long row.

    oneDNN's own takes 1.1 to 3 times as long there, and 500 times with a kernel of 40 and 32
    channels (8,448 rows, Zen 5, one core).
    """
    outputs, channels = tf.shape(upstream)[0], rows.shape[-1]
    starts = range(0, kernel_samples * dilation, dilation)
    if channels < _APART_FROM:
        across, size = tf.transpose(rows), tf.stack([channels, outputs])
        beside = tf.concat([tf.slice(across, [0, start], size) for start in starts], 0)
        shape = [kernel_samples, channels, upstream.shape[-1]]
        return tf.reshape(tf.matmul(beside, upstream), shape)
    size = tf.stack([outputs, channels])
    parts = [tf.slice(rows, _row(start), size) for start in starts]
    return tf.stack([tf.matmul(part, upstream, transpose_a=True) for part in parts])


@once_in_graph
def _row(number: int) -> tf.Tensor:
    """Where a row begins; long kernels of many layers ask for the same hundreds of times."""
    return tf.constant([number, 0])


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


def strided_convolution(inputs: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
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
    if stride * channels < _PRODUCTS_FROM or (folded.dtype == tf.bfloat16 and _has_amx()):
        return tf.nn.conv1d(folded, folded_kernel, stride=1, padding="VALID")

    @tf.custom_gradient
    def convolve(folded: tf.Tensor, kernel: tf.Tensor) -> Any:
        def of_kernel(upstream: tf.Tensor) -> tf.Tensor:
            return _products_of_many(folded, upstream, groups)

        return _convolution(folded, kernel, 1, of_kernel)

    return convolve(folded, folded_kernel)


def _has_amx() -> bool:
    """Whether the processor multiplies matrices in bfloat16 by itself.

    oneDNN's gradients are the faster ones then: of kernels .25 to .47 of the time of products, and
    the whole training step of the published model .75 (Xeon, two cores).
    """
    return "amx_bf16" in _instructions()


def _is_slow_on_one_row() -> bool:
    """Whether the processor's widest instructions are those of AVX2.

    There TensorFlow (2.21) takes a slower one of oneDNN's convolutions for a batch of one image,
    unless the kernel is a constant: 1.1 to 2.1 times as long as of pieces (Zen 3, one core), and
    the whole training step of an FCN 1.6, of InceptionTime 1.3 times as long (two cores).
    """
    is_lesser = "avx2" in _instructions() and "avx512f" not in _instructions()
    return is_lesser and not tf.config.list_physical_devices("GPU")


@functools.cache
def _instructions() -> frozenset[str]:
    """The sets of instructions of the processor, where the system tells them."""
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as file:
        return frozenset(next((line for line in file if line.startswith("flags")), "").split())
    return frozenset()


def _fit(inputs: tf.Tensor, samples: int) -> tf.Tensor:
    """Cuts what no output sees, or adds zeros where only the kernel's own zeros reach."""
    given = inputs.shape[1]
    if samples > given:
        return tf.pad(inputs, [[0, 0], [0, samples - given], [0, 0]])
    # The gradient of tf.slice is a pad; that of indexing takes one core, and long in bfloat16.
    return inputs if samples == given else tf.slice(inputs, [0, 0, 0], [-1, samples, -1])

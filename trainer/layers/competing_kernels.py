"""Random convolutions that compete: how often, and how strongly, each of a group fits best."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainer.layers.rows.fixed_kernels import RecordAndDifferences, for_each, sums
from trainer.layers.rows.gaps import records_and_steps

KERNEL_SAMPLES = 9
_KERNELS = 8  # That compete with each other.
_MOST_CHANNELS = 8  # Of a group.


@keras.saving.register_keras_serializable(package="trainer")
class CompetingKernels(keras.layers.Layer):
    """Features of Hydra (Dempster, Schmidt and Webb 2023, arXiv 2203.13652) over records or steps.

    Of each group of 8 random kernels, at each sample, the best fit is counted by its strength and
    the worst fit by its number, on the record and on its differences, at every dilation; the
    counts are divided by the rows that were counted, for records differ in length. A group sees up
    to 8 of the channels. Nothing is trained.

    Args:
      groups: of kernels, at each dilation.
      dilations: 1, 2, 4 and so on, so many.
      rows_per_step: samples of a step, and samples that a row stands for: features of every step,
        which kernels look beyond. None for those of whole records.
      causal: whether a row sees only itself and earlier ones; else as many on both sides.
      seed: of the kernels.
    """

    def __init__(
        self,
        groups: int,
        dilations: int,
        rows_per_step: tuple[int, int] | None = None,
        causal: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**{**kwargs, "trainable": False})  # A configuration has it, too.
        self.groups, self.dilations, self.seed = groups, dilations, seed
        self.rows_per_step, self.causal = rows_per_step, causal

    def build(self, packed_shape: Any, lengths_shape: Any = None, steps_shape: Any = None) -> None:
        """Draws the kernels; NumPy's generator is the same on every machine."""
        shape = (KERNEL_SAMPLES, packed_shape[-1], self.groups * _KERNELS)
        random = np.random.default_rng(self.seed)
        self.kernels = []
        for number in range(2 * self.dilations):
            kernel = self.add_weight(name=f"kernels_{number}", shape=shape, trainable=False)
            kernel.assign(_drawn(random, shape))
            self.kernels.append(kernel)

    def call(self, packed: tf.Tensor, lengths: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        """Features of at least 0; all 0 where there are no rows.

        Args:
          packed: `[valid, channels]`.
          lengths: `[batch] int32`, rows of each record.
          steps: `[batch] int32`, its steps.

        Returns:
          `[batch, features]`, or `[valid steps, features]`.
        """
        record, row = records_and_steps(lengths)
        reach = (KERNEL_SAMPLES - 1) * 2 ** (self.dilations - 1)
        inputs = RecordAndDifferences.of(packed, lengths, reach)
        place, places = record, tf.size(lengths)
        if self.rows_per_step:
            samples, factor = self.rows_per_step
            step = tf.minimum(row * factor // samples, tf.gather(steps, record) - 1)
            place = tf.gather(tf.cumsum(steps, exclusive=True), record) + step
            places = tf.reduce_sum(steps)
        count = sums(tf.ones_like(packed[:, :1]), place, places)
        # Each group of each place has numbers of its own, from which its kernels count.
        groups = (place[:, None] * self.groups + tf.range(self.groups)) * _KERNELS

        def at_places(values: tf.Tensor, winner: tf.Tensor) -> tf.Tensor:
            size = places * self.groups * _KERNELS
            values, numbers = tf.reshape(values, [-1]), tf.reshape(groups + winner, [-1])
            found = tf.math.unsorted_segment_sum(values, numbers, size)
            return tf.reshape(found, [-1, self.groups * _KERNELS])

        kernels = tf.stack([tf.cast(kernel, packed.dtype) for kernel in self.kernels])
        kernels = _by_number(kernels, _KERNELS)

        def of_index(index: tf.Tensor) -> tf.Tensor:
            dilation = tf.bitwise.left_shift(1, index // 2)
            fits = inputs.answers(index % 2, kernels[index], dilation, self.causal)
            best, strength = _winners(fits, tf.greater)
            worst, _ = _winners(fits, tf.less)
            positive = sums(tf.cast(fits > 0, fits.dtype), place, places)
            found = [
                at_places(tf.nn.relu(strength), best),
                at_places(tf.ones_like(strength), worst),
                _by_number(positive, self.groups),
            ]
            return tf.concat(found, axis=1) / tf.maximum(count, 1)

        return for_each(len(self.kernels), of_index, 3 * self.groups * _KERNELS, packed.dtype)

    def compute_output_spec(self, packed: Any, lengths: Any, steps: Any) -> Any:
        """Three features for each kernel."""
        features = 3 * 2 * self.dilations * self.groups * _KERNELS
        rows = None if self.rows_per_step else lengths.shape[0]
        return keras.KerasTensor((rows, features), dtype=packed.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        own = {
            "groups": self.groups,
            "dilations": self.dilations,
            "rows_per_step": self.rows_per_step,
            "causal": self.causal,
            "seed": self.seed,
        }
        return {**super().get_config(), **own}


def _drawn(random: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """Normal kernels of mean 0 and absolute sum 1, each group over channels of its own."""
    _, channels, count = shape
    kernels = random.normal(size=shape)
    if channels > 1:
        seen = min(channels, _MOST_CHANNELS, max(2, channels // 2))
        order = random.random((channels, count // _KERNELS)).argsort(axis=0)
        kernels *= np.repeat(order < seen, _KERNELS, axis=1)
    kernels -= kernels.mean(0, keepdims=True)
    return (kernels / np.abs(kernels).sum((0, 1), keepdims=True)).astype(np.float32)


def _by_number(columns: tf.Tensor, inner: int) -> tf.Tensor:
    """Of columns, so many of which stand together, the first of each first, and so on."""
    apart = tf.reshape(columns, [-1, columns.shape[-1] // inner, inner])
    turned = tf.reshape(tf.transpose(apart, [0, 2, 1]), tf.shape(columns))
    return tf.ensure_shape(turned, columns.shape)


def _winners(fits: tf.Tensor, is_better: Callable[..., tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    """The best kernel of each group and its fit, `[rows, groups]`; the first of equal ones.

    TensorFlow's argmax over 8 neighbours takes four times as long.

    Args:
      fits: `[rows, kernels * groups]`, those of the groups' first kernels first.
      is_better: whether one fit is better than another.
    """
    first, *others = tf.split(fits, _KERNELS, axis=1)
    winner, best = tf.zeros_like(first, tf.int32), first
    for number, other in enumerate(others, 1):
        better = is_better(other, best)
        winner, best = tf.where(better, number, winner), tf.where(better, other, best)
    return winner, best


@keras.saving.register_keras_serializable(package="trainer")
class Standardize(keras.layers.Layer):
    """Subtracts and divides by fixed numbers, after a square root; set by `adapt_to`."""

    def build(self, input_shape: Any) -> None:
        """Creates the numbers, 0 and 1."""
        shape = (input_shape[-1],)
        self.mean = self.add_weight(name="mean", shape=shape, trainable=False)
        self.deviation = self.add_weight(
            name="deviation", shape=shape, initializer="ones", trainable=False
        )

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """`[batch, features]` of at least 0 -> the same shape."""
        return (tf.sqrt(features) - self.mean) / self.deviation

    def adapt_to(self, features: np.ndarray) -> None:
        """Takes mean and deviation of the roots; a feature that is mostly 0 is kept small."""
        roots = np.sqrt(features)
        self.mean.assign(roots.mean(0))
        self.deviation.assign(roots.std(0) + (roots == 0).mean(0) ** 4 + 1e-8)

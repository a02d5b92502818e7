"""Fixed convolutions of two weights: how often, how strongly and where each exceeds a threshold."""

import itertools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainer.layers.rows.fixed_kernels import RecordAndDifferences, for_each, sums
from trainer.layers.rows.gaps import records_and_steps

_KERNEL_SAMPLES = 9
# All of three weights of 2 and six of -1.
_KERNELS = np.array(
    [
        [2.0 if number in chosen else -1.0 for number in range(_KERNEL_SAMPLES)]
        for chosen in itertools.combinations(range(_KERNEL_SAMPLES), 3)
    ],
    np.float32,
)
_MOST_CHANNELS = 9  # That a kernel sees.
_MOST_DISTANCES = 14  # Of dilations, before those that are the same are left out.
_GOLDEN_RATIO = (np.sqrt(5) + 1) / 2
# A bias stands above a value that was seen, by these shares of the value and of all values'
# deviation: what repeats it but for rounding stays below.
_OF_VALUE, _OF_DEVIATION = 1e-4, 1e-5


@keras.saving.register_keras_serializable(package="trainer")
class MultiRocket(keras.layers.Layer):
    """Features of MultiROCKET (Tan, Dempster, Bergmeir and Webb 2022, arXiv 2102.00457).

    The kernels are the 84 of 9 samples of which three weigh 2 and six weigh -1, on the record and
    on its differences. Of where one exceeds a bias there are six features: share of the rows, mean
    excess, mean position in rows and as a share of the record, and the number of stretches, also
    divided by the rows. The last two stand for the longest stretch of the source, which takes
    longer and says no more. Several channels are added up, other ones for each kernel. Nothing is
    trained; `adapt_to` takes the biases from data.

    Args:
      dilations: as of `CompetingKernels`; here they stand closer, up to 14 from 1 to the greatest.
      biases: of each kernel at each dilation.
      causal: whether a row sees only itself and earlier ones; else as many on both sides.
      seed: of the channels.

    Attributes:
      ROWS: that biases are taken from, about.
    """

    ROWS = 2**13

    def __init__(
        self, dilations: int, biases: int, causal: bool = False, seed: int = 0, **kwargs: Any
    ):
        super().__init__(**{**kwargs, "trainable": False})  # A configuration has it, too.
        self.dilations, self.per_kernel = dilations, biases
        self.causal, self.seed = causal, seed
        distances = np.logspace(0, dilations - 1, _MOST_DISTANCES, base=2)
        self._distances = sorted({round(distance) for distance in distances})

    def build(self, packed_shape: Any, lengths_shape: Any = None) -> None:
        """Draws the channels; NumPy's generator is the same on every machine."""
        channels, dilations = packed_shape[-1], 2 * len(self._distances)
        self.channels = None
        if channels > 1:
            shape = (dilations, channels, len(_KERNELS))
            self.channels = self.add_weight(name="channels", shape=shape, trainable=False)
            self.channels.assign(_drawn(np.random.default_rng(self.seed), shape))
        shape = (dilations, len(_KERNELS), self.per_kernel)
        self.biases = self.add_weight(
            name="biases", shape=shape, trainable=False, initializer="zeros"
        )

    def adapt_to(self, packed: tf.Tensor, lengths: tf.Tensor) -> None:
        """Takes the biases from records: quantiles of what each kernel answers, evenly spread.

        Args:
          packed: `[valid, channels]`; without rows nothing happens.
          lengths: `[batch] int32`, rows of each record.
        """
        if not len(packed):
            return
        numbers = np.arange(1, len(_KERNELS) * self.per_kernel + 1)
        shares, found = numbers.reshape(-1, self.per_kernel) * _GOLDEN_RATIO % 1, []
        every = -(-len(packed) // self.ROWS)
        fits = self._fits(packed, lengths)
        for number in range(2 * len(self._distances)):
            ordered = np.sort(fits(number).numpy()[::every], axis=0)
            places = (shares * len(ordered)).astype(int)
            seen = np.take_along_axis(ordered, places.T, axis=0).T
            deviations = ordered.std(0)[:, None] + 1e-6
            found.append(seen + _OF_VALUE * np.abs(seen) + _OF_DEVIATION * deviations)
        self.biases.assign(np.stack(found))

    def call(self, packed: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """Features of at least 0; all 0 where there are no rows.

        Args:
          packed: `[valid, channels]`.
          lengths: `[batch] int32`, rows of each record.

        Returns:
          `[batch, features]`.
        """
        record, step = records_and_steps(lengths)
        rows = tf.cast(tf.maximum(lengths, 1), packed.dtype)[:, None]
        place = ((tf.cast(step, packed.dtype) + 0.5) / tf.gather(rows[:, 0], record))[:, None]
        # A first row follows none: such pairs are added up apart, and left out.
        pair = 2 * record[1:] + tf.cast(step[1:] > 0, tf.int32)
        fits, records = self._fits(packed, lengths), tf.size(lengths)
        biases = tf.cast(tf.transpose(self.biases, [0, 2, 1]), packed.dtype)
        biases = tf.reshape(biases, [-1, self.per_kernel * len(_KERNELS)])

        def of_number(number: tf.Tensor) -> tf.Tensor:
            above = tf.concat([fits(number)] * self.per_kernel, 1) - biases[number]
            positive = tf.cast(above > 0, packed.dtype)
            count = sums(positive, record, records)
            both = sums(positive[1:] * positive[:-1], pair, 2 * records)[1::2]
            excess = sums(tf.nn.relu(above), record, records) / tf.maximum(count, 1)
            where = sums(positive * place, record, records) / tf.maximum(count, 1)
            stretches = count - both
            found = [count / rows, excess, where * rows, where, stretches, stretches / rows]
            return tf.concat(found, axis=1)

        return for_each(2 * len(self._distances), of_number, 6 * biases.shape[-1], packed.dtype)

    def _fits(
        self, packed: tf.Tensor, lengths: tf.Tensor
    ) -> Callable[[int | tf.Tensor], tf.Tensor]:
        """What each kernel makes of each row, `[valid, kernels]`, from the number of a dilation."""
        reach = (_KERNEL_SAMPLES - 1) * self._distances[-1]
        inputs = RecordAndDifferences.of(packed, lengths, reach)
        kernels = np.repeat(_KERNELS.T[None, :, None], 2 * len(self._distances), axis=0)
        kernels = tf.constant(kernels, packed.dtype)
        if self.channels is not None:
            kernels *= tf.cast(self.channels, packed.dtype)[:, None]
        distances = tf.constant(self._distances)
        return lambda number: inputs.answers(
            number % 2, kernels[number], distances[number // 2], self.causal
        )

    def compute_output_spec(self, packed: Any, lengths: Any) -> Any:
        """Six features for each bias."""
        features = 6 * 2 * len(self._distances) * len(_KERNELS) * self.per_kernel
        return keras.KerasTensor((lengths.shape[0], features), dtype=packed.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        own = {
            "dilations": self.dilations,
            "biases": self.per_kernel,
            "causal": self.causal,
            "seed": self.seed,
        }
        return {**super().get_config(), **own}


def _drawn(random: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """1 for the channels that a kernel sees; few are likelier than many, at least one is."""
    dilations, channels, kernels = shape
    most = np.log2(min(channels, _MOST_CHANNELS) + 1)
    counts = (2 ** random.uniform(0, most, (dilations, 1, kernels))).astype(int)
    order = random.random(shape).argsort(axis=1).argsort(axis=1)
    return (order < counts).astype(np.float32)

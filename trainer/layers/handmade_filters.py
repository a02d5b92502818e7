"""Filters that nobody trains: for rises, falls and peaks of several widths.

Ismail-Fawaz and others 2022 (IEEE Big Data), "Deep learning for time series classification using
new hand-crafted convolution filters", arXiv 2302.12030 has them beside learned ones.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainer.layers.rows.gaps import slide
from trainer.layers.rows.windows import depthwise_convolution_of_rows

_WIDTHS = (2, 4, 8, 16, 32, 64)


@keras.saving.register_keras_serializable(package="trainer")
class HandmadeFilters(keras.layers.Layer):
    """Alternating and peak-shaped filters over each feature; zeros beyond a record's ends.

    Args:
      causal: whether a step sees only itself and earlier ones; else as many on both sides.
    """

    def __init__(self, *, causal: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.causal = causal
        self.kernel = handmade_kernel()

    def build(self, packed_shape: Any, lengths_shape: Any = None) -> None:
        """Has no weights."""
        self.built = True

    def call(self, packed: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """`[valid, features]`, `[batch] int32` -> `[valid, features * 17]`, at least 0."""
        features = packed.shape[-1]
        kernel = np.tile(self.kernel[:, None, None, :], (1, 1, features, 1))
        kernel = tf.constant(kernel, packed.dtype)
        reach = len(self.kernel) - 1
        window = depthwise_convolution_of_rows
        return tf.nn.relu(slide(window, packed, lengths, reach, kernel, causal=self.causal))

    def compute_output_spec(self, packed: Any, lengths: Any) -> Any:
        """Known without a trace."""
        outputs = packed.shape[-1] * self.kernel.shape[1]
        return keras.KerasTensor((None, outputs), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "causal": self.causal}


def handmade_kernel() -> np.ndarray:
    """All filters, centred, as `[steps, filters] float32`.

    Of each width one that alternates from -1 to 1 and one from 1 to -1; of each but the first a
    peak: a parabola up and down, twice as high as the dips on both sides of it.
    """
    filters = []
    for width in _WIDTHS:
        alternating = np.where(np.arange(width) % 2, 1.0, -1.0)
        filters += [alternating, -alternating]
    for width in _WIDTHS[1:]:
        rise = np.linspace(0, 1, width // 4 + 1)[1:] ** 2
        bump = np.concatenate([rise, rise[::-1]])
        filters.append(np.concatenate([-bump, 2 * bump, -bump]))
    longest = max(map(len, filters))
    before = [(longest - len(each)) // 2 for each in filters]
    centred = [
        np.pad(each, (left, longest - len(each) - left))
        for each, left in zip(filters, before, strict=True)
    ]
    return np.stack(centred, axis=1).astype(np.float32)

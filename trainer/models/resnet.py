"""ResNet over samples (Wang and others 2017, arXiv 1611.06455): three blocks of three convolutions.

As published: kernels of 8, 5 and 3 samples, 64 filters in the first block and 128 in the others.
"""

from __future__ import annotations

from typing import Any

from trainer.models.lazy import keras, layers  # Help must not wait for TensorFlow.
from trainer.models.parts.network import Features, Network, NetworkOptions

_KERNELS = (8, 5, 3)


class ResNet(Network):
    """Three residual blocks of three convolutions each; for raw samples."""

    def encode(self, x: Features, options: NetworkOptions) -> Features:
        """See `Network.encode`."""
        rows, width = x.rows, options.width or 64
        for number in range(options.depth or 3):
            filters = width if number == 0 else 2 * width
            rows = _block(rows, x.lengths, filters, options, f"block_{number}")
        return Features(rows, x.lengths)


def _block(x: Any, lengths: Any, filters: int, options: NetworkOptions, name: str) -> Any:
    same = x
    if x.shape[-1] != filters:
        same = layers.Dense(filters, use_bias=False, name=f"{name}_shortcut")(x)
    same = layers.BatchNormalization(momentum=0.9, name=f"{name}_shortcut_normalization")(same)
    for kernel in _KERNELS:
        if kernel != _KERNELS[0]:
            x = keras.layers.ReLU(name=f"{name}_relu_{kernel}")(x)
        convolution = layers.TemporalConvolution(
            filters, kernel, use_bias=False, causal=options.causal, name=f"{name}_conv_{kernel}"
        )
        x = convolution(x, lengths)
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_normalization_{kernel}")(x)
    x = layers.Add(name=f"{name}_sum")([x, same])
    return keras.layers.ReLU(name=f"{name}_relu")(x)

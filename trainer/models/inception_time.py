"""InceptionTime (Ismail Fawaz and others 2020, arXiv 1909.04939): convolutions of three lengths.

Each block reduces the channels by a convolution of length 1, sees them through kernels of 10, 20
and 40 samples and a maximum of 3, and normalizes all of it; every three blocks have a shortcut.
As published: 32 filters, 6 blocks. The published figures are of five networks: --ensemble=5.
"""

from __future__ import annotations

from typing import Any

from trainer.models.lazy import keras, layers  # Help must not wait for TensorFlow.
from trainer.models.parts.network import Features, Network, NetworkOptions

_KERNELS = (40, 20, 10)


class InceptionTime(Network):
    """Convolutions of 10, 20 and 40 samples side by side, with shortcuts; for raw samples."""

    def encode(self, x: Features, options: NetworkOptions) -> Features:
        """See `Network.encode`."""
        rows = shortcut = x.rows
        for number in range(options.depth or 6):
            rows = _block(rows, x.lengths, options, f"block_{number}")
            if number % 3 == 2:
                name = f"shortcut_{number}"
                same = layers.Dense(rows.shape[-1], use_bias=False, name=name)(shortcut)
                same = layers.BatchNormalization(momentum=0.9, name=f"{name}_normalization")(same)
                rows = layers.Add(name=f"{name}_sum")([rows, same])
                rows = shortcut = keras.layers.ReLU(name=f"{name}_relu")(rows)
        return Features(rows, x.lengths)


def _block(x: Any, lengths: Any, options: NetworkOptions, name: str) -> Any:
    filters = options.width or 32
    narrow = x
    if x.shape[-1] > filters:
        narrow = layers.Dense(filters, use_bias=False, name=f"{name}_bottleneck")(x)
    branches = [
        layers.TemporalConvolution(
            filters, kernel, use_bias=False, causal=options.causal, name=f"{name}_conv_{kernel}"
        )(narrow, lengths)
        for kernel in _KERNELS
    ]
    highest = layers.TemporalMaxPooling(3, causal=options.causal, name=f"{name}_max")(x, lengths)
    branches.append(layers.Dense(filters, use_bias=False, name=f"{name}_of_max")(highest))
    x = keras.layers.Concatenate(name=f"{name}_all")(branches)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_normalization")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)

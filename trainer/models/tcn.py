"""TCN (Bai, Kolter and Koltun 2018, arXiv 1803.01271): dilated convolutions that see far.

Residual blocks of two convolutions; each block doubles the dilation, so that 8 blocks with kernels
of 7 samples, as published for sequences of pixels, see 3,061. Two differences from the paper:
batch statistics normalize instead of the norms of weights, and steps see both sides unless
--causal; --head_dropout stands for its dropout.
"""

from __future__ import annotations

from typing import Any

from trainer.models.lazy import keras, layers  # Help must not wait for TensorFlow.
from trainer.models.parts.network import Features, Network, NetworkOptions

_KERNEL = 7


class TCN(Network):
    """Residual blocks of dilated convolutions, each seeing twice as far; for long raw signals."""

    def encode(self, x: Features, options: NetworkOptions) -> Features:
        """See `Network.encode`."""
        rows = x.rows
        for number in range(options.depth or 8):
            rows = _block(rows, x.lengths, options, 2**number, f"block_{number}")
        return Features(rows, x.lengths)


def _block(x: Any, lengths: Any, options: NetworkOptions, dilation: int, name: str) -> Any:
    filters, same = options.width or 64, x
    if x.shape[-1] != filters:
        same = layers.Dense(filters, name=f"{name}_shortcut")(x)
    for number in range(2):
        convolution = layers.TemporalConvolution(
            filters,
            _KERNEL,
            dilation=dilation,
            causal=options.causal,
            use_bias=False,
            name=f"{name}_conv_{number}",
        )
        x = convolution(x, lengths)
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_normalization_{number}")(x)
        x = keras.layers.ReLU(name=f"{name}_relu_{number}")(x)
    x = layers.Add(name=f"{name}_sum")([x, same])
    return keras.layers.ReLU(name=f"{name}_relu")(x)

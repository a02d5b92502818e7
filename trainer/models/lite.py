"""LITE (Ismail-Fawaz and others 2023, DSAA, arXiv 2409.02869): InceptionTime's first layer, light.

One layer of convolutions of 10, 20 and 40 samples beside filters made by hand, then two depthwise
separable convolutions, each with half the kernel and twice the dilation of the one before. As
published: 32 filters, two of them; the published figures are of five networks: --ensemble=5.
"""

from __future__ import annotations

from typing import Any

from trainer.models.lazy import keras, layers  # Help must not wait for TensorFlow.
from trainer.models.parts.network import Features, Network, NetworkOptions

_KERNELS = (40, 20, 10)


class Lite(Network):
    """One layer of InceptionTime with filters made by hand, then light ones; for raw samples."""

    def encode(self, x: Features, options: NetworkOptions) -> Features:
        """See `Network.encode`."""
        filters = options.width or 32
        branches = [
            layers.TemporalConvolution(
                filters, kernel, use_bias=False, causal=options.causal, name=f"conv_{kernel}"
            )(x.rows, x.lengths)
            for kernel in _KERNELS
        ]
        made = layers.HandmadeFilters(causal=options.causal, name="handmade")(x.rows, x.lengths)
        rows = keras.layers.Concatenate(name="all")([*branches, made])
        rows = _activated(rows, "first")
        for number in range(1, 1 + (options.depth or 2)):
            dilation, name = 2**number, f"separable_{number}"
            rows = layers.TemporalDepthwiseConvolution(
                max(3, _KERNELS[0] // dilation),
                dilation=dilation,
                causal=options.causal,
                use_bias=False,
                name=name,
            )(rows, x.lengths)
            rows = layers.Dense(filters, use_bias=False, name=f"{name}_mixed")(rows)
            rows = _activated(rows, name)
        return Features(rows, x.lengths)


def _activated(rows: Any, name: str) -> Any:
    rows = layers.BatchNormalization(momentum=0.9, name=f"{name}_normalization")(rows)
    return keras.layers.ReLU(name=f"{name}_relu")(rows)

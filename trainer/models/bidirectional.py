"""Two layers of bidirectional GRU (Schuster and Paliwal 1997; Cho and others 2014) over time.

Each direction has 128 units. With --causal both layers run forward only.
"""

from __future__ import annotations

from typing import Any

from trainer.models.lazy import keras, layers  # Help must not wait for TensorFlow.
from trainer.models.parts.network import Features, Network, NetworkOptions


class Bidirectional(Network):
    """Two recurrent layers that read a record in both directions; for features or spectra."""

    def encode(self, x: Features, options: NetworkOptions) -> Features:
        """See `Network.encode`."""
        rows = x.rows
        for number in range(options.depth or 2):
            rows = _layer(rows, x.lengths, options, f"gru_{number}")
        return Features(rows, x.lengths)


def _layer(x: Any, lengths: Any, options: NetworkOptions, name: str) -> Any:
    units = options.width or 128
    forward = layers.GRU(units, return_sequences=True, name=name)(x, lengths)
    if options.causal:
        return forward
    backward = layers.GRU(units, return_sequences=True, go_backwards=True, name=f"{name}_backward")
    return keras.layers.Concatenate(name=f"{name}_both")([forward, backward(x, lengths)])

"""Hydra (Dempster, Schmidt and Webb 2023, arXiv 2203.13652): random convolutions, a ridge behind.

Nothing is trained by gradients: one pass over the recordings gives their features, and the ridge is
fitted exactly, its penalty chosen on groups left out in turn. Beside the counts of competing
kernels stands the share of positive fits, as in ROCKET (Dempster and others 2020), and on request
MultiROCKET (Tan and others 2022).
"""

from __future__ import annotations

from typing import Any

from trainer.models.family import BuiltModel, DataSpec, Family
from trainer.models.lazy import keras  # Help must not wait for TensorFlow.
from trainer.models.parts.front_end import FrontEndOptions
from trainer.models.parts.network import network_inputs
from trainer.models.parts.random_convolutions import (
    RandomConvolutionOptions,
    random_convolutions,
    ridge_fit,
)
from trainer.models.signal import unpack_predictions


class Hydra(Family):
    """Random convolutions and a ridge, fitted exactly in one pass."""

    options = (FrontEndOptions, RandomConvolutionOptions)
    automatic = True
    inputs = ("signal",)
    labels = ("step", "record")

    def build(self, data: DataSpec, *options: Any) -> BuiltModel:
        """See `Family.build`."""
        inputs, lengths, x, scale = network_inputs(data, options[0])
        features, y = random_convolutions(
            x.rows, x.lengths, lengths, scale[:2], data, options[1], options[0].causal
        )
        outputs = unpack_predictions(y, lengths, inputs[data.input.kind], data.label)
        full = keras.Model(inputs, outputs, name="model")
        return BuiltModel(full, fit=ridge_fit(full, keras.Model(inputs, features), data))

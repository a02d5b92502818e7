"""Hydra (Dempster, Schmidt and Webb 2023, arXiv 2203.13652): random convolutions, a ridge behind.

Nothing is trained by gradients: one pass over the recordings gives their features, and the ridge is
fitted exactly, its penalty chosen on records left out in turn. Beside the counts of competing
kernels stands the share of positive fits, as in ROCKET (Dempster and others 2020).
"""

from __future__ import annotations

from typing import Any

from trainer.models.family import BuiltModel, DataSpec, Family
from trainer.models.lazy import keras  # Help must not wait for TensorFlow.
from trainer.models.parts.network import FrontEndOptions, network_inputs
from trainer.models.parts.random_convolutions import (
    RandomConvolutionOptions,
    random_convolutions,
    ridge_fit,
)


class Hydra(Family):
    """Random convolutions and a ridge, fitted exactly in one pass; one label per record."""

    options = (FrontEndOptions, RandomConvolutionOptions)
    automatic = True
    inputs = ("signal",)
    labels = ("record",)

    def build(self, data: DataSpec, *options: Any) -> BuiltModel:
        """See `Family.build`."""
        inputs, lengths, x, _ = network_inputs(data, options[0])
        features, outputs = random_convolutions(x.rows, x.lengths, lengths, data, options[1])
        full = keras.Model(inputs, outputs, name="model")
        return BuiltModel(full, fit=ridge_fit(full, keras.Model(inputs, features), data))

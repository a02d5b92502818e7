"""A family's network of stock Keras layers, on padded batches without masks: what people train.

The family builds it itself, with these layers under the names of the project's.
"""

import importlib
from collections.abc import Callable
from typing import Any
from unittest import mock

import keras

from trainer.models.family import families
from trainer.models.parts.network import Features, Network, NetworkOptions


class Stock:
    """Stock layers under the names of ours, on padded `[batch, time, features]`."""

    BatchNormalization = keras.layers.BatchNormalization
    LayerNormalization = keras.layers.LayerNormalization
    Add = keras.layers.Add
    Dense = keras.layers.Dense
    Dropout = keras.layers.Dropout

    @staticmethod
    def TemporalConvolution(  # noqa: N802
        filters: int, steps: int, *, dilation: int = 1, causal: bool = False, **kwargs: Any
    ) -> Callable[..., Any]:
        """A Conv1D."""
        padding = "causal" if causal else "same"
        layer = keras.layers.Conv1D(
            filters, steps, padding=padding, dilation_rate=dilation, **kwargs
        )
        return lambda x, lengths: layer(x)

    @staticmethod
    def TemporalDepthwiseConvolution(  # noqa: N802
        steps: int, *, dilation: int = 1, causal: bool = False, **kwargs: Any
    ) -> Callable[..., Any]:
        """A DepthwiseConv1D."""
        assert not causal
        layer = keras.layers.DepthwiseConv1D(
            steps, padding="same", dilation_rate=dilation, **kwargs
        )
        return lambda x, lengths: layer(x)

    @staticmethod
    def TemporalMaxPooling(steps: int, **kwargs: Any) -> Callable[..., Any]:  # noqa: N802
        """A MaxPooling1D."""
        layer = keras.layers.MaxPooling1D(steps, 1, "same", name=kwargs["name"])
        return lambda x, lengths: layer(x)

    @staticmethod
    def HandmadeFilters(**kwargs: Any) -> Callable[..., Any]:  # noqa: N802
        """A frozen DepthwiseConv1D of as many and as long filters."""
        layer = keras.layers.DepthwiseConv1D(
            96, depth_multiplier=17, padding="same", activation="relu", trainable=False
        )
        return lambda x, lengths: layer(x)

    @staticmethod
    def SelfAttention(heads: int, **kwargs: Any) -> Callable[..., Any]:  # noqa: N802
        """A MultiHeadAttention, of which every step sees the padding."""
        return lambda x, lengths: keras.layers.MultiHeadAttention(heads, x.shape[-1] // heads)(x, x)

    @staticmethod
    def GRU(units: int, **kwargs: Any) -> Callable[..., Any]:  # noqa: N802
        """A GRU."""
        layer = keras.layers.GRU(units, **kwargs)
        return lambda x, lengths: layer(x)


def stock_network(name: str, channels: int, classes: int, **options: Any) -> keras.Model:
    """From `[batch, time, channels]`, zeros behind the end, to logits `[batch, classes]`."""
    signal = keras.Input((None, channels))
    rows = encoded(name, Stock, Features(signal, None), **options).rows
    pooled = keras.layers.GlobalAveragePooling1D()(rows)
    return keras.Model(signal, keras.layers.Dense(classes)(pooled))


def encoded(name: str, layers: Any, x: Features, **options: Any) -> Features:
    """What a family makes of rows where it takes its layers from `layers`."""
    family = families()[name]
    assert isinstance(family, Network)
    module = importlib.import_module(type(family).__module__)
    with mock.patch.object(module, "layers", layers):
        return family.encode(x, NetworkOptions(**options))

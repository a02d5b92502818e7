"""Conformer (Gulati and others 2020, arXiv 2005.08100): attention and convolutions in turn.

Each block is half a feed-forward step, attention over the whole record, a convolution of 32 steps,
and the other half. As published: 4 heads, dropout of 0.1; positions are rotary instead of relative
(RoFormer, Su and others 2021, arXiv 2104.09864). 64 features and 4 blocks, for data sets of
ordinary size. Attention costs by the square of the length: long records need --front_end=log_mel
or --patch_samples.
"""

from __future__ import annotations

from typing import Any

from tfrecords_schema.errors import UserError
from trainer.models.lazy import keras, layers  # Help must not wait for TensorFlow.
from trainer.models.parts.network import Features, Network, NetworkOptions

_HEADS = (4, 2, 1)
_KERNEL = 32
_DROPOUT = 0.1


class Conformer(Network):
    """Attention over the whole record and convolutions, in turn; for features or spectra."""

    def encode(self, x: Features, options: NetworkOptions) -> Features:
        """See `Network.encode`."""
        width = options.width or 64
        if width % 2:
            raise UserError(
                f"--width={width}: positions turn pairs of features; give an even --width"
            )
        rows = layers.Dense(width, name="project")(x.rows)
        rows = layers.Dropout(_DROPOUT, name="project_dropout")(rows)
        for number in range(options.depth or 4):
            rows = _block(rows, x.lengths, options.causal, f"block_{number}")
        return Features(rows, x.lengths)


def _block(x: Any, lengths: Any, causal: bool, name: str) -> Any:
    x = _add(x, _feed_forward(x, f"{name}_first"), f"{name}_first", 0.5)
    x = _add(x, _attention(x, lengths, causal, f"{name}_attention"), f"{name}_attention")
    x = _add(x, _convolution(x, lengths, causal, f"{name}_convolution"), f"{name}_convolution")
    x = _add(x, _feed_forward(x, f"{name}_second"), f"{name}_second", 0.5)
    return layers.LayerNormalization(name=f"{name}_normalization")(x)


def _add(x: Any, change: Any, name: str, share: float = 1.0) -> Any:
    change = layers.Dropout(_DROPOUT, name=f"{name}_dropout")(change)
    if share != 1:
        change = keras.layers.Rescaling(share, name=f"{name}_share")(change)
    return layers.Add(name=f"{name}_sum")([x, change])


def _feed_forward(x: Any, name: str) -> Any:
    width = x.shape[-1]
    x = layers.LayerNormalization(name=f"{name}_normalization")(x)
    x = layers.Dense(4 * width, activation="swish", name=f"{name}_expand")(x)
    x = layers.Dropout(_DROPOUT, name=f"{name}_inner_dropout")(x)
    return layers.Dense(width, name=f"{name}_project")(x)


def _attention(x: Any, lengths: Any, causal: bool, name: str) -> Any:
    heads = next(count for count in _HEADS if x.shape[-1] % (2 * count) == 0)
    x = layers.LayerNormalization(name=f"{name}_normalization")(x)
    return layers.SelfAttention(heads, causal=causal, name=name)(x, lengths)


def _convolution(x: Any, lengths: Any, causal: bool, name: str) -> Any:
    width = x.shape[-1]
    x = layers.LayerNormalization(name=f"{name}_normalization")(x)
    gate = layers.Dense(width, activation="sigmoid", name=f"{name}_gate")(x)
    x = layers.Dense(width, name=f"{name}_expand")(x)
    x = keras.layers.Multiply(name=f"{name}_gated")([x, gate])
    depthwise = layers.TemporalDepthwiseConvolution(
        _KERNEL, causal=causal, use_bias=False, name=f"{name}_over_time"
    )
    x = depthwise(x, lengths)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_batch_normalization")(x)
    x = keras.layers.Activation("swish", name=f"{name}_swish")(x)
    return layers.Dense(width, name=f"{name}_project")(x)

"""Layers that are not trained, by name. What was frozen computes as in inference, dropout apart."""

import fnmatch
from collections.abc import Iterator, Sequence

import keras

from pipeline.console.errors import UsageError
from pipeline.console.near_misses import nearest
from pipeline.console.texts import listed


def freeze(model: keras.Model, patterns: Sequence[str]) -> None:
    """Freezes the layers of a model whose names fit, with all that is in them.

    A name is that of a layer by itself, or behind those of the models that it is in:
    `member_0/block_0_conv_40`. A frozen BatchNormalization uses its moving averages.

    Args:
      model: the model; call it before its optimizer is built.
      patterns: as of `fnmatch`.

    Raises:
      UsageError: a pattern fits no layer with weights, or nothing is left to train.
    """
    known = {name: layer for name, layer in _layers(model, "") if layer.weights}
    for pattern in patterns:
        fitting = [
            layer
            for name, layer in known.items()
            if any(fnmatch.fnmatchcase(part, pattern) for part in (name, layer.name))
        ]
        if not fitting:
            near = nearest(pattern, {layer.name for layer in known.values()})
            hint = f"; did you mean {near}?" if near else ""
            raise UsageError(
                f"--freeze={pattern}: no layer of this model is called so, it has "
                f"{listed([*known], 30)}{hint}"
            )
        for layer in fitting:
            layer.trainable = False
    if patterns and not model.trainable_variables:
        raise UsageError(f"--freeze={','.join(patterns)} leaves nothing to train; give fewer")


def _layers(model: keras.Model, prefix: str) -> Iterator[tuple[str, keras.layers.Layer]]:
    """All layers within, each with its name behind those of the models that it is in."""
    for layer in model.layers:
        name = f"{prefix}{layer.name}"
        yield name, layer
        if isinstance(layer, keras.Model):
            yield from _layers(layer, f"{name}/")

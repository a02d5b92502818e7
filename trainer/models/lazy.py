"""Keras and our layers, imported when something of them is asked for.

The options of every family are read for `--help`, which must not wait for TensorFlow. Families take
both from here, and have `from __future__ import annotations` so that annotations are not evaluated.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras as keras

    from trainer import layers as layers
else:

    class _Lazy:
        def __init__(self, name: str):
            self._name = name

        def __getattr__(self, attribute: str) -> Any:
            return getattr(importlib.import_module(self._name), attribute)

    keras, layers = _Lazy("keras"), _Lazy("trainer.layers")

"""The last layers of a network: from features to logits or values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.models.lazy import layers  # Help must not wait for TensorFlow.
from trainer.models.signal import float32_at_least, head_units

if TYPE_CHECKING:
    from tfrecords_schema import LabelSpec


def head(x: Any, label: LabelSpec) -> Any:
    """From packed `[labels, features]` to `[labels, units]`, values in the unit of the labels."""
    x = layers.Dense(head_units(label), dtype=float32_at_least(), name="head")(x)
    if label.has_values:
        x = layers.LabelScale(dtype=float32_at_least(), name="label_scale")(x)
    return x

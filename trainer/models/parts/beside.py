"""Numbers beside the steps of a recording, joined to what a network makes of each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.models.lazy import keras, layers  # Help must not wait for TensorFlow.
from trainer.models.parts.normalization import normalize

if TYPE_CHECKING:
    from tfrecords_schema import InputSpec, Statistics

_UNITS = 32


def beside_rows(
    inputs: dict[str, Any], lengths: Any, input_spec: InputSpec, statistics: Statistics | None
) -> dict[str, Any]:
    """Adds `beside` to the inputs of a model, where records have it.

    Returns:
      Under that name `[valid, numbers]`, normalized by the training split where that is known;
      nothing without.
    """
    if not input_spec.beside:
        return {}
    padded = keras.Input(input_spec.beside_shape, dtype="float32", name="beside")
    inputs["beside"] = padded
    packed = layers.PackSteps(name="pack_beside")(padded, lengths)
    kind = "training_split" if statistics else "none"
    numbers = len(input_spec.beside)
    return {"beside": normalize(packed, lengths, kind, numbers, statistics, "normalize_beside")}


def beside_input(input_spec: InputSpec) -> dict[str, Any]:
    """The input of a model on packed rows that takes what `beside_rows` returns."""
    numbers = len(input_spec.beside)
    return {"beside": keras.Input((numbers,), name="beside")} if numbers else {}


def joined(x: Any, beside: dict[str, Any]) -> Any:
    """`[valid, features]` with features of the numbers beside them, if there are some."""
    if not beside:
        return x
    y = layers.Dense(_UNITS, use_bias=False, name="beside_values")(beside["beside"])
    y = layers.BatchNormalization(momentum=0.9, name="beside_normalization")(y)
    y = keras.layers.ReLU(name="beside_relu")(y)
    return keras.layers.Concatenate(name="step_and_beside")([x, y])

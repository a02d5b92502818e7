"""How values are normalized before a model sees them: the option of all families over signals."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.console.options import Options, option
from tfrecords_schema.errors import DatasetError, UserError
from trainer.models.lazy import keras, layers  # Help must not wait for TensorFlow.

if TYPE_CHECKING:
    from tfrecords_schema import InputSpec, Statistics


@dataclasses.dataclass(frozen=True)
class NormalizationOptions(Options):
    """What all models over signals begin with."""

    normalization: str = option(
        "none",
        "Of values: by none, by the training split's, by each record's own statistics, or both: "
        "every channel twice.",
        ("none", "training_split", "record", "both"),
        common=True,
    )


def padding_input(inputs: dict[str, Any], input_spec: InputSpec) -> Any:
    """Adds `padding` to the inputs of a model, where records have it; else returns None."""
    if not input_spec.has_padding:
        return None
    inputs["padding"] = keras.Input((), dtype="int32", name="padding")
    return inputs["padding"]


def normalize(
    x: Any,
    lengths: Any,
    kind: str,
    channels: int,
    statistics: Statistics | None,
    name: str,
    padding: Any = None,
) -> Any:
    """Normalizes packed `[valid, ..., channels]`; with `both` there are twice as many channels.

    `padding` is None where every sample was recorded; see `layers.Normalization`.

    Raises:
        DatasetError: the dataset lacks the statistics that the option asks for.
        UserError: nothing is asked for, and floats cannot tell the values apart.
    """
    if kind == "both":
        parts = [
            normalize(x, lengths, each, channels, statistics, f"{name}_by_{each}", padding)
            for each in ("record", "training_split")
        ]
        return keras.layers.Concatenate(name=name)(parts)
    mean: list[float] = []
    deviation: list[float] = []
    if kind == "training_split":
        if statistics is None:
            raise DatasetError(
                "normalization=training_split needs the training split's statistics, which this "
                "dataset's manifest lacks; use record or none."
            )
        mean, deviation = _per_channel(statistics, channels)
    if kind == "none" and x.dtype in ("int32", "int64"):
        require_distinct(statistics, "give --normalization=training_split or record")
    layer = layers.Normalization(kind, mean, deviation, name=name)
    return layer(x, lengths) if padding is None else layer(x, lengths, padding)


def require_distinct(statistics: Statistics | None, cure: str) -> None:
    """Refuses values that lie closer together than floats of their size do.

    Raises:
        UserError: float32, as which a model takes or gives values, has steps of a tenth of a
            channel's deviation or more.
    """
    pairs = zip(statistics.mean, statistics.deviation, strict=True) if statistics else ()
    for channel, (mean, deviation) in enumerate(pairs):
        step = float(np.spacing(np.float32(abs(mean))))
        if 0 < deviation < 10 * step:
            raise UserError(
                f"channel {channel} has mean {mean:.10g} and deviation {deviation:.4g}, and a "
                f"model's float32 has steps of {step:.3g} there; {cure}"
            )


def _per_channel(statistics: Statistics, channels: int) -> tuple[list[float], list[float]]:
    """Statistics per channel; those of a signal without a channel axis are pooled into one."""
    mean, deviation = statistics.mean, statistics.deviation
    if len(mean) == channels:
        return list(mean), list(deviation)
    pooled = sum(mean) / len(mean)
    squares = [d * d + (m - pooled) ** 2 for m, d in zip(mean, deviation, strict=True)]
    return [pooled], [math.sqrt(sum(squares) / len(squares))]

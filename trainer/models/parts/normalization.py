"""How values are normalized before a model sees them: the option of all families over signals."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from pipeline.console.options import Options, option
from tfrecords_schema.errors import DatasetError
from trainer.models.lazy import keras, layers  # Help must not wait for TensorFlow.

if TYPE_CHECKING:
    from tfrecords_schema import Statistics


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


def normalize(
    x: Any, lengths: Any, kind: str, channels: int, statistics: Statistics | None, name: str
) -> Any:
    """Normalizes packed `[valid, ..., channels]`; with `both` there are twice as many channels.

    Raises:
        DatasetError: the dataset lacks the statistics that the option asks for.
    """
    if kind == "both":
        parts = [
            normalize(x, lengths, each, channels, statistics, f"{name}_by_{each}")
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
    return layers.Normalization(kind, mean, deviation, name=name)(x, lengths)


def _per_channel(statistics: Statistics, channels: int) -> tuple[list[float], list[float]]:
    """Statistics per channel; those of a signal without a channel axis are pooled into one."""
    mean, deviation = statistics.mean, statistics.deviation
    if len(mean) == channels:
        return list(mean), list(deviation)
    pooled = sum(mean) / len(mean)
    squares = [d * d + (m - pooled) ** 2 for m, d in zip(mean, deviation, strict=True)]
    return [pooled], [math.sqrt(sum(squares) / len(squares))]

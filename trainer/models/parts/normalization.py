"""How values are normalized before a model sees them: the option of all families over signals."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.console.options import Options, option
from tfrecords_schema.errors import DatasetError, UserError
from trainer.models.lazy import keras, layers  # Help must not wait for TensorFlow.

if TYPE_CHECKING:
    from tfrecords_schema import InputSpec, Statistics
    from tfrecords_schema.channels import ChannelRole


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
    roles: Sequence[ChannelRole] = (),
) -> Any:
    """Normalizes packed `[valid, ..., channels]`; with `both` there are twice as many channels.

    `padding` is None where every sample was recorded; see `layers.Normalization`. Where channels
    have roles, values are normalized by the training split whatever the kind, flags stay as they
    are, and what a record lacks becomes 0.

    Raises:
        DatasetError: the dataset lacks the statistics that the option asks for.
        UserError: nothing is asked for, and floats cannot tell the values apart.
    """
    if kind == "both":
        parts = [
            normalize(x, lengths, each, channels, statistics, f"{name}_by_{each}", padding, roles)
            for each in ("record", "training_split")
        ]
        return keras.layers.Concatenate(name=name)(parts)
    if kind == "none" and x.dtype in ("int32", "int64"):
        require_distinct(statistics, "give --normalization=training_split or record")
    inputs = (x, lengths) if padding is None else (x, lengths, padding)
    if not roles or kind == "none":
        moments = _per_channel(statistics, channels) if kind == "training_split" else ((), ())
        return layers.Normalization(kind, *moments, name=name)(*inputs)
    if len(roles) != channels:
        raise UserError(
            f"Convolutions within a step take its {len(roles)} channels for samples of one; set "
            "conv_filters to nothing, choose another --model, or convert with windows."
        )
    of_split = _by_role(statistics, roles, kind)
    others = layers.Normalization("training_split", *of_split, name=f"{name}_others")(*inputs)
    signals = others
    if kind == "record":
        like = [role.like for role in roles]
        signals = layers.Normalization(kind, like=like, name=name)(*inputs)
    kinds, shown_by = [role.kind for role in roles], [role.shown_by for role in roles]
    return layers.ChannelRoles(kinds, shown_by, name=f"{name}_roles")(signals, others)


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


def _known(statistics: Statistics | None) -> Statistics:
    if statistics is None:
        raise DatasetError(
            "normalization=training_split needs the training split's statistics, which this "
            "dataset's manifest lacks; use record or none."
        )
    return statistics


def _per_channel(
    statistics: Statistics | None, channels: int
) -> tuple[Sequence[float], Sequence[float]]:
    """Statistics per channel; those of a signal without a channel axis are pooled into one."""
    found = _known(statistics)
    if len(found.mean) == channels:
        return found.mean, found.deviation
    mean, deviation = _pooled(found, range(len(found.mean)))
    return [mean], [deviation]


def _by_role(
    statistics: Statistics | None, roles: Sequence[ChannelRole], kind: str
) -> tuple[list[float], list[float]]:
    """What to subtract from each channel and to divide it by; of flags, 0 and 1.

    With the kind `record` that of signals is not asked for.
    """
    alike: dict[int, list[int]] = {}
    for number, role in enumerate(roles):
        alike.setdefault(role.like, []).append(number)
    moments = {like: (0.0, 1.0) for like in alike}
    for like, channels in alike.items():
        if roles[like].kind == "value" or (roles[like].kind == "signal" and kind != "record"):
            moments[like] = _pooled(_known(statistics), channels)
    found = [moments[role.like] for role in roles]
    return [mean for mean, _ in found], [deviation for _, deviation in found]


def _pooled(statistics: Statistics, channels: Sequence[int]) -> tuple[float, float]:
    """Mean and deviation of all samples of some channels, which have as many each."""
    pairs = [(statistics.mean[n], statistics.deviation[n]) for n in channels]
    mean = sum(m for m, _ in pairs) / len(pairs)
    return mean, math.sqrt(sum(d * d + (m - mean) ** 2 for m, d in pairs) / len(pairs))

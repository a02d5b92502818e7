"""What channels are where they are not alike: several signals in one, values of a recording."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np

MOST_FEATURES = 256
"""A step of one axis that is longer than this is a stretch of signal, not a vector of features."""

ChannelKind = Literal["signal", "value", "flag"]


@dataclasses.dataclass(frozen=True)
class ChannelRole:
    """What one channel is.

    Attributes:
      kind: `signal`; `value`, a number that is the same all through a recording; or `flag`, 0 or 1
        that means just that, of a recording or of a sample.
      like: number of the first channel that holds other samples of the same, and so has the same
        mean and deviation; its own where there is none before it.
      shown_by: number of the flag that is 0 in recordings that lack this channel; it is 0 there.
        -1 where all have it.
    """

    kind: ChannelKind
    like: int
    shown_by: int = -1


def roles_problem(roles: Sequence[ChannelRole], channels: int) -> str:
    """Why these cannot be the roles of so many channels; empty if they can, or there are none."""
    if len(roles) not in (0, channels):
        return f"got roles of {len(roles)} channels, expected {channels}"
    for number, role in enumerate(roles):
        if not 0 <= role.like <= number or roles[role.like].kind != role.kind:
            return f"channel {number} is like {role.like}, expected one of its kind up to itself"
        if role.shown_by != -1 and not (
            0 <= role.shown_by < channels and roles[role.shown_by].kind == "flag"
        ):
            return f"channel {number} is shown by {role.shown_by}, expected a flag"
    return ""


def absent(signal: np.ndarray, roles: Sequence[ChannelRole]) -> np.ndarray:
    """Which channels a recording lacks, `[channels]` bool.

    Args:
      signal: `[time, *step_shape]`.
      roles: of its channels; none where no recording lacks one.
    """
    shown_by = np.array([role.shown_by for role in roles], int)
    if not signal.size or not len(roles):
        return np.zeros(signal.shape[-1], bool)
    first = signal.reshape(-1, len(roles))[0]
    return (shown_by >= 0) & (first[shown_by] == 0)

"""What inputs say of channels, and of what else belongs to each step or to all of them."""

from typing import Any, NamedTuple

import numpy as np

from tfrecords_schema.channels import ChannelKind
from tfrecords_schema.left_out import LeftOut


class ChannelName(NamedTuple):
    """What a file says of one channel; empty is what it does not say, or says by number only.

    Attributes:
      name: of the channel.
      unit: of its values.
      kind: see `ChannelRole`.
      signal: which of several it is of, or whether which of them is there.
      like: names what it is a part of the samples of, beside other channels; else empty.
    """

    name: str
    unit: str = ""
    kind: ChannelKind = "signal"
    signal: str = ""
    like: str = ""


class Constant(NamedTuple):
    """What is the same all through a recording: a number, a few, or a text.

    Attributes:
      channel: what a channel with it is called, and what it is.
      value: of one or several numbers, or a text.
    """

    channel: ChannelName
    value: Any


class Beside(NamedTuple):
    """Numbers beside the steps of a recording.

    Attributes:
      channels: what each of them is.
      values: `[time, numbers]`, as precise as they are written.
      left_out: what of them is left out, or made up.
    """

    channels: tuple[ChannelName, ...]
    values: np.ndarray
    left_out: tuple[LeftOut, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the numbers, as `InputSpec.beside` has them."""
        return tuple(channel.name for channel in self.channels)

    @property
    def stored(self) -> np.ndarray:
        """`[time, numbers]` float32."""
        return self.values.astype(np.float32)

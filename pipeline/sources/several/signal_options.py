"""Options of several arrays of a file that are one signal together."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from pipeline.console.errors import UsageError
from pipeline.console.options import option
from pipeline.sources.arrays import required_key
from pipeline.sources.channels import ChannelName, Constant
from pipeline.sources.names import normal, parts
from pipeline.sources.npz import ArrayFile
from pipeline.sources.recordings.extents import ExtentOptions
from pipeline.sources.several.joint import Several
from pipeline.sources.several.options import value_channel
from pipeline.sources.several.rows import common_rate


@dataclasses.dataclass(frozen=True)
class SeveralOptions(ExtentOptions):
    """Which array is the signal, or which are."""

    signal_key: str = option(
        "",
        "Array with the signal; else the only one. Several (eeg,accel) are joined to one.",
        common=True,
    )
    time_axis: int = option(0, "Axis of time; 1 for [channels, samples].", common=True)
    signal_rates_hz: tuple[float, ...] = option(
        (),
        "Samples per second of each of several in --signal_key: 100,50. A row has the greatest "
        "rate that all have in common, and all samples of each.",
    )
    signal_channels: tuple[int, ...] = option(
        (), "Channels of each of several in --signal_key, for --missing_signal=mask.", low=1
    )
    missing_signal: str = option(
        "reject",
        "Recordings without one of several in --signal_key: reject them, or mask it: put zeros in "
        "its place, which no normalization counts and which stay 0, and for each signal add a "
        "channel that is 1 where it is there.",
        ("reject", "mask"),
    )

    def check(self) -> None:
        """See `Options`."""
        names = self.signal_keys if self.are_several else ()
        if "" in names or len({*map(normal, names)}) < len(names):
            raise UsageError(
                f"--signal_key={self.signal_key}: a name is empty or occurs twice; name each once"
            )
        for flag in ("signal_rates_hz", "signal_channels"):
            given = getattr(self, flag)
            if given and len(given) != len(names):
                raise UsageError(
                    f"--{flag} has {len(given)} numbers, --signal_key {len(names) or 1} of several "
                    "signals; give one for each, or leave it out"
                )
        if not all(0 < rate < float("inf") for rate in self.signal_rates_hz):
            raise UsageError("--signal_rates_hz: expected numbers above 0")
        for flag, counts in (("rate_key", (0, 1, len(names))), ("channel_key", (0, len(names)))):
            if names and len(parts(getattr(self, flag))) not in counts:
                raise UsageError(
                    f"--{flag}: name an array for each of --signal_key={self.signal_key}"
                )
        if self.rate_key and self.signal_rates_hz:
            raise UsageError("give --rate_key or --signal_rates_hz, not both")
        self._check_missing(bool(names))
        self._check_together()
        super().check()

    def _check_missing(self, are_several: bool) -> None:
        if self.masks_signals and not are_several:
            raise UsageError("--missing_signal=mask is for several signals in --signal_key")
        if self.masks_signals != bool(self.signal_channels):
            raise UsageError(
                "--missing_signal=mask needs --signal_channels, and nothing else does: how many "
                "channels each signal has; give both, or neither"
            )
        if self.masks_signals and not (self.signal_rates_hz or self.rate_key):
            raise UsageError("--missing_signal=mask needs --signal_rates_hz, or --rate_key")

    def _check_together(self) -> None:
        common_hz = self._common_hz
        if common_hz and self.sample_rate_hz not in (None, common_hz):
            raise UsageError(
                f"--sample_rate_hz={self.sample_rate_hz:g} is not the greatest common rate of "
                f"--signal_rates_hz, {common_hz:g}, which rows have; leave it out"
            )
        if self.are_several and self.resample_hz and (self.adds_mask or self.splits_at_gaps):
            raise UsageError(
                f"--non_finite={self.non_finite} looks for gaps of the joint signal, and what "
                "--resample_hz makes of several has none; use fill, zero or reject"
            )
        clash = {*map(normal, self.input_values)} & {
            *map(normal, (*self.signal_keys, *parts(self.label_key)))
        }
        if clash:
            name = min(clash)
            raise UsageError(f"{name!r} is in --input_values, and signal or label as well")

    @property
    def signal_keys(self) -> tuple[str, ...]:
        """The arrays that `signal_key` names."""
        return parts(self.signal_key)

    @property
    def are_several(self) -> bool:
        """Whether they are several."""
        return len(self.signal_keys) > 1

    @property
    def masks_signals(self) -> bool:
        """Whether recordings may lack one of several."""
        return self.missing_signal == "mask"

    @property
    def adds_values(self) -> bool:
        """See `ValueOptions`."""
        return self.masks_signals or super().adds_values

    def is_added(self, channel: str) -> bool:
        """See `ValueOptions`."""
        is_flag = self.masks_signals and channel in map(presence_channel, self.signal_keys)
        return is_flag or super().is_added(channel)

    @property
    def _common_hz(self) -> float | None:
        if not self.signal_rates_hz or self.resample_hz:
            return None
        return float(common_rate(self.signal_rates_hz)[0])

    @property
    def rate_hz(self) -> float | None:
        """See `WindowOptions`; of the rows of several."""
        return super().rate_hz or self._common_hz

    @property
    def several(self) -> Several:
        """Which arrays are joined, where they are several."""
        return Several(
            self.signal_key, self.signal_keys, self.signal_rates_hz, parts(self.rate_key),
            parts(self.channel_key), self.signal_channels, self.time_axis, self,
        )  # fmt: skip

    @property
    def other_arrays(self) -> tuple[str, ...]:
        """Arrays that are neither signal nor label, and are read all the same."""
        named = (self.rate_key, self.channel_key) if self.are_several else ()
        keys = [key for names in named for key in parts(names)]
        single = () if self.are_several else (self.rate_key, self.channel_key)
        return (self.group_key, self.split_key, *single, *keys, *self.input_values)

    def recorded(self) -> dict[str, Any]:
        """See `ConvertOptions`; manifests are as before there could be several."""
        names = ("signal_rates_hz", "signal_channels", "missing_signal")
        return self.without_unused(super().recorded(), names)


def constants_of(file: ArrayFile, names: Sequence[str], options: SeveralOptions) -> list[Constant]:
    """Values of a whole recording, and which of several signals it has, where it may lack one.

    Raises:
      RejectedInputError: a value is not there.
    """
    found = [
        Constant(value_channel(key), file.array(required_key(file, key, "input_values")))
        for key in map(normal, names)
    ]
    for key in map(normal, options.signal_keys if options.masks_signals else ()):
        flag = ChannelName(presence_channel(key), kind="flag", signal=key)
        found.append(Constant(flag, key in file.keys))
    return found


def presence_channel(key: str) -> str:
    """What the channel is called that says whether a recording has a signal."""
    return f"has_{normal(key)}"

"""Options of what is read of a continuous recording: channels, rate, section, gaps."""

import dataclasses
from typing import Any

from pipeline.console.errors import UsageError
from pipeline.console.options import option
from pipeline.sources.gaps.options import MASK, GapOptions
from pipeline.sources.several.options import ValueOptions
from pipeline.sources.windows import WindowOptions


@dataclasses.dataclass(frozen=True)
class SectionOptions(ValueOptions, GapOptions, WindowOptions):
    """Channels, rate and section of recordings."""

    channels: tuple[str, ...] = option(
        (),
        "Channels by name, in this order, * and ? for any letters: 'EEG Fpz-Cz,EOG*'; all of them "
        "if not given.",
        common=True,
    )
    missing_channels: str = option(
        "reject",
        "Recordings without a channel that is named: reject them, or put zeros in its place.",
        ("reject", "zero"),
    )
    resample_hz: float | None = option(
        None,
        "Brings all to this rate, without delay; n samples at rate r become "
        "ceil(n * resample_hz / r). Else all must have one.",
        positive=True,
        common=True,
    )
    file_rate_hz: float | None = option(
        None,
        "Rate of files that do not say it, for --resample_hz and --from_secs.",
        positive=True,
    )
    from_secs: float = option(0.0, "Leaves out what is before it.", low=0)
    to_secs: float | None = option(None, "Leaves out what is from there on.", positive=True)

    def check(self) -> None:
        """See `Options`."""
        rates = {self.resample_hz, self.sample_rate_hz} - {None}
        if len(rates) > 1:
            raise UsageError(
                f"--sample_rate_hz={self.sample_rate_hz:g} is not --resample_hz="
                f"{self.resample_hz:g}; give one of them"
            )
        if self.window_secs is not None and self.rate_hz is None:
            raise UsageError(
                "--window_secs needs --sample_rate_hz, the rate that all files have, or "
                "--resample_hz"
            )
        if self.to_secs is not None and self.to_secs <= self.from_secs:
            raise UsageError(
                f"--to_secs={self.to_secs:g} is not after --from_secs={self.from_secs:g}"
            )
        if self.resample_hz is not None:
            from pipeline.sources.recordings.libraries import require_library

            require_library("scipy", "audio")
        super().check()

    @property
    def rate_hz(self) -> float | None:
        """See `WindowOptions`; None if the files say it."""
        return self.resample_hz or self.sample_rate_hz

    def recorded(self) -> dict[str, Any]:
        """See `ConvertOptions`; the rate is recorded under one name, however it came about."""
        found = {**super().recorded(), "sample_rate_hz": self.rate_hz}
        return self.without_unused(found, ("input_values", "value_classes"))

    @property
    def wanted_channels(self) -> tuple[str, ...]:
        """Those of `channels` that are looked for in a file."""
        if not self.channels:
            return ()
        added = (MASK,) * self.adds_mask
        return tuple(n for n in self.channels if not (n in added or self.is_added(n)))

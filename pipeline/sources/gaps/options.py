"""What becomes of gaps."""

import dataclasses

from pipeline.console.errors import UsageError
from pipeline.console.options import Options, option

MASK = "is_recorded"  # Name of the channel that --non_finite=mask adds.
_FILLED = ("fill", "mask")


@dataclasses.dataclass(frozen=True)
class GapOptions(Options):
    """Gaps: values that are no numbers, and time without samples."""

    non_finite: str = option(
        "reject",
        "Gaps of a signal, which are NaN, infinity and time without samples: reject the recording; "
        "put zeros there; fill each channel with a line between the values around (at the ends, "
        "with the nearest); mask, which fills and adds a last channel, 1 where all others were "
        "recorded and 0 in gaps; or split, so that each stretch between gaps is a recording, of "
        "the same group. A label with NaN is rejected always.",
        ("reject", "zero", "fill", "mask", "split"),
    )
    max_fill_secs: float | None = option(
        None,
        "With --non_finite=fill or mask: recordings with a longer gap are rejected.",
        positive=True,
    )

    def check(self) -> None:
        """See `Options`."""
        super().check()
        if self.max_fill_secs is not None and self.non_finite not in _FILLED:
            raise UsageError("--max_fill_secs needs --non_finite=fill or mask; add that")

    @property
    def closes_gaps(self) -> bool:
        """Whether something is put in the place of gaps."""
        return self.non_finite not in ("reject", "split")

    @property
    def adds_mask(self) -> bool:
        """Whether a channel says where something was recorded."""
        return self.non_finite == "mask"

    @property
    def splits_at_gaps(self) -> bool:
        """Whether a recording is one for each stretch between gaps."""
        return self.non_finite == "split"

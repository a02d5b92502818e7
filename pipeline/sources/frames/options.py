"""Options of kinds of raw folders whose steps are frames."""

import dataclasses
import re

from pipeline.console.errors import UsageError
from pipeline.console.options import option
from pipeline.sources.options import ConvertOptions


@dataclasses.dataclass(frozen=True)
class FrameOptions(ConvertOptions):
    """Frames."""

    resize: str = option(
        "",
        "HEIGHTxWIDTH in pixels, as 180x320 (bicubic with antialias, stored as PNG); else images "
        "are stored as they are.",
        common=True,
    )
    max_frame_pixels: int = option(64_000_000, "Larger frames are rejected.", positive=True)

    def check(self) -> None:
        """See `Options`."""
        super().check()
        if self.resize and not re.fullmatch(r"[1-9]\d{0,4}x[1-9]\d{0,4}", self.resize):
            raise UsageError(
                f"--resize={self.resize}: expected HEIGHTxWIDTH in pixels, as in 180x320"
            )

    @property
    def resize_shape(self) -> tuple[int, int] | None:
        """Height and width of the frames in pixels, or None if they stay as they are."""
        if not self.resize:
            return None
        height, _, width = self.resize.partition("x")
        return int(height), int(width)

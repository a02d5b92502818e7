"""Options of kinds of raw folders whose steps are frames."""

import contextlib
import dataclasses
import math
import re
from typing import Any

from pipeline.console.errors import UsageError
from pipeline.console.options import option
from pipeline.sources.names import normal
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
    beside_key: tuple[str, ...] = option(
        (),
        "Numbers beside the frames: fields of annotation.json, or arrays of NAME.npz beside the "
        "folder or file NAME. Of each frame, several between one and the next, or one for the "
        "whole recording.",
    )
    beside_samples: tuple[int, ...] = option(
        (),
        "How many samples of each of --beside_key a frame has; 0: it is of the whole recording. "
        "Without it, what their numbers divide into.",
        low=0,
    )

    def check(self) -> None:
        """See `Options`."""
        super().check()
        if self.resize and not re.fullmatch(r"[1-9]\d{0,4}x[1-9]\d{0,4}", self.resize):
            raise UsageError(
                f"--resize={self.resize}: expected HEIGHTxWIDTH in pixels, as in 180x320"
            )
        names = [*map(normal, self.beside_key)]
        if "" in names or len({*names}) < len(names):
            raise UsageError("--beside_key: a name is empty or occurs twice; name each once")
        if clash := {*names} & {*map(normal, self.label_key.split(","))}:
            raise UsageError(
                f"{min(clash)!r} is in --beside_key, and is the label, which would be given away"
            )
        if self.beside_samples and len(self.beside_samples) != len(names):
            raise UsageError(
                f"--beside_samples has {len(self.beside_samples)} numbers, --beside_key names "
                f"{len(names)}; give one for each, or leave it out"
            )

    def recorded(self) -> dict[str, Any]:
        """See `ConvertOptions`; manifests are as before there was anything beside frames."""
        return self.without_unused(super().recorded(), ("beside_key", "beside_samples"))

    @property
    def resize_shape(self) -> tuple[int, int] | None:
        """Height and width of the frames in pixels, or None if they stay as they are."""
        if not self.resize:
            return None
        height, _, width = self.resize.partition("x")
        return int(height), int(width)


@dataclasses.dataclass(frozen=True)
class ImageFileOptions(FrameOptions):
    """Frames that are files, each of a format and depth of its own."""

    value_range: str = option(
        "",
        "LOW:HIGH, as 0:65535: which values of images with more than 8 bits per channel (PNG, "
        "TIFF) become 0 and 255; else such images are rejected.",
    )

    def check(self) -> None:
        """See `Options`."""
        super().check()
        if self.value_range and not self.levels:
            raise UsageError(
                f"--value_range={self.value_range}: expected LOW:HIGH, two numbers that grow, as "
                "in 0:65535"
            )

    @property
    def levels(self) -> tuple[float, float] | None:
        """Which values become 0 and 255, of images with more than 8 bits per channel."""
        with contextlib.suppress(ValueError):
            low, high = map(float, self.value_range.split(":"))
            return (low, high) if -math.inf < low < high < math.inf else None
        return None

"""Which files below a folder are frames, by their names, and in which order."""

import posixpath
import re
from collections.abc import Iterable, Iterator, Set
from typing import Any

from pipeline.console.errors import RejectedInputError
from pipeline.sources.names import normal

FRAMES = "imgs"
# What is a frame beside other files. The content decides which format it has, or that it has none.
_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".jp2",
    ".j2k", ".jxl", ".heic", ".heif", ".avif", ".pbm", ".pgm", ".ppm", ".pnm", ".tga", ".exr",
    ".hdr", ".dng", ".cr2", ".cr3", ".nef", ".arw",
)  # fmt: skip
_JUNK = {"Thumbs.db", "desktop.ini", "__MACOSX"}


def is_hidden(path: str) -> bool:
    """Whether a file is what systems leave behind, or is in such a folder."""
    return any(part.startswith(".") or part in _JUNK for part in path.split("/"))


def is_frames(folder: str) -> bool:
    """Whether a folder is the one within a sample that has its frames, in letters of any case."""
    return posixpath.basename(folder).lower() == FRAMES


def is_frame(path: str) -> bool:
    """Whether a file is taken for a frame."""
    folder, name = posixpath.split(path)
    return is_frames(folder) or name.lower().endswith(_SUFFIXES)


def ancestors(folder: str) -> Iterator[str]:
    """The folders that a folder is in, the nearest first and the input folder last."""
    while folder:
        folder = posixpath.dirname(folder)
        yield folder


def nested(sample: str, framed: Set[str]) -> str:
    """What is wrong with frames below those of another sample; the input folder itself is none."""
    above = next((folder for folder in ancestors(sample) if folder and folder in framed), "")
    if not above or sample not in framed:
        return ""
    return (
        f"its frames are below '{above}', which has some, too; a sample is one folder; move or "
        "remove one of them"
    )


def natural(path: str) -> tuple[list[Any], str]:
    """Sorts 2 before 10, whatever stands before and after the number."""
    parts = re.split(r"([0-9]+)", posixpath.splitext(normal(path))[0])
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], path


def require_no_sample_below(path: str, files: Iterable[str]) -> None:
    """Refuses a sample with frames both in it and in folders below it.

    Raises:
      RejectedInputError: if there are such folders among those of its files.
    """
    folders = {posixpath.dirname(name) for name in files if is_frame(name)} - {path}
    if folders:
        first = posixpath.relpath(min(folders), path)
        raise RejectedInputError(
            f"frames both in it and in folders below it ({first}), a sample is one folder; move "
            "or remove one of them"
        )

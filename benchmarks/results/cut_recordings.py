"""Copies of recordings that were cut to a part of their length, or filled up to the longest.

A recording is an npz file with `signal: [time, ...]`, or a folder of frames in a folder `imgs`.
"""

import pathlib
import shutil
import zlib

import numpy as np
from PIL import Image


def cut(folder: pathlib.Path, output: pathlib.Path) -> pathlib.Path:
    """Copies recordings cut to a random 30 to 100 percent of their length.

    Of frames the last are kept, for a label beside them is of the last.
    """
    for frames in _of_frames(folder):
        kept, _ = _part(frames[0].parent.relative_to(folder), len(frames))
        _write_frames(folder, output, frames[-kept:])
    for path in sorted(folder.rglob("*.npz")):
        name = path.relative_to(folder)
        with np.load(path) as arrays:
            content = dict(arrays)
        kept, start = _part(name, len(content["signal"]))
        for key in _over_time(content):
            content[key] = content[key][start : start + kept]
        _write(output / name, content)
    return output


def pad(folder: pathlib.Path, output: pathlib.Path) -> pathlib.Path:
    """Copies recordings, with zeros or black frames up to the longest of them.

    Labels of steps go on as the last one, and count as any other.
    """
    all_frames = _of_frames(folder)
    longest = max(map(len, all_frames), default=0)
    for frames in all_frames:
        copied = _write_frames(folder, output, frames)
        with Image.open(frames[-1]) as last:
            black = Image.new(last.mode, last.size)
        for number in range(longest - len(frames)):
            black.save(copied / f"{frames[-1].stem}_{number:03d}{frames[-1].suffix}")
    recordings = {path: dict(np.load(path)) for path in sorted(folder.rglob("*.npz"))}
    longest = max((len(content["signal"]) for content in recordings.values()), default=0)
    for path, content in recordings.items():
        time = len(content["signal"])
        for key in _over_time(content):
            mode = "constant" if key == "signal" else "edge"
            widths = [(0, longest - time), *[(0, 0)] * (content[key].ndim - 1)]
            content[key] = np.pad(content[key], widths, mode)
        _write(output / path.relative_to(folder), content)
    return output


def _part(name: pathlib.Path, time: int) -> tuple[int, int]:
    """How much of a recording is kept, and from where; the same each time."""
    random = np.random.default_rng(zlib.crc32(name.as_posix().encode()))
    kept = max(1, round(time * random.uniform(0.3, 1)))
    return kept, int(random.integers(0, time - kept + 1))


def _of_frames(folder: pathlib.Path) -> list[list[pathlib.Path]]:
    """The frames of each recording."""
    return [sorted(images.iterdir()) for images in sorted(folder.rglob("imgs"))]


def _write_frames(
    folder: pathlib.Path, output: pathlib.Path, frames: list[pathlib.Path]
) -> pathlib.Path:
    """Copies these frames of a recording, and what lies beside their folder."""
    source = frames[0].parent.parent
    copied = output / source.relative_to(folder)
    shutil.rmtree(copied, ignore_errors=True)
    shutil.copytree(source, copied, ignore=shutil.ignore_patterns("imgs"))
    (copied / "imgs").mkdir()
    for frame in frames:
        shutil.copy(frame, copied / "imgs")
    return copied / "imgs"


def _over_time(content: dict[str, np.ndarray]) -> list[str]:
    """The signal, and the label where each of its steps has one."""
    is_of_steps = content["label"].shape[:1] == content["signal"].shape[:1]
    return ["signal", "label"] if is_of_steps else ["signal"]


def _write(path: pathlib.Path, content: dict[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **content)

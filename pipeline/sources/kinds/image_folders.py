"""Folders of frames: a folder is a sample, its images in natural order are the time steps."""

import collections
import contextlib
import dataclasses
import hashlib
import io
import posixpath
import re
import unicodedata
from collections.abc import Iterable, Iterator, Set
from typing import IO, Any, NamedTuple

import numpy as np

from pipeline.console.errors import ChangedInputError, RejectedInputError, UsageError
from pipeline.console.options import option
from pipeline.sources.annotations import (
    ANNOTATION,
    describe_label,
    field,
    label_array,
    parse_annotation,
)
from pipeline.sources.files import Files, FoundFile
from pipeline.sources.grouping import text_of
from pipeline.sources.image_header import ImageHeader, read_image_header
from pipeline.sources.options import ConvertOptions, require_size
from pipeline.sources.source import Description, InputFile, RawRecord, Source

_FRAMES = "imgs"
# What is a frame beside other files. The content decides which format it has, or that it has none.
_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp")
_JUNK = {"Thumbs.db", "desktop.ini", "__MACOSX"}


class _Contents(NamedTuple):
    """Files of a sample: its frames in natural order, and `annotation.json` if there is one."""

    frames: list[FoundFile]
    annotation: FoundFile | None


@dataclasses.dataclass(frozen=True)
class ImageFolderOptions(ConvertOptions):
    """Image folders."""

    resize: str = option(
        "",
        "HEIGHTxWIDTH in pixels, as 180x320: bicubic with antialias, stored as PNG; without it the "
        "files' bytes are stored as they are.",
        common=True,
    )
    max_frame_pixels: int = option(64_000_000, "Larger frames are rejected.", positive=True)
    max_annotation_mib: float = option(
        16.0,
        "Larger annotation.json are rejected; parsed, JSON takes up to 30 times its size.",
        positive=True,
    )

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


@dataclasses.dataclass(frozen=True)
class ImageFolderSource(Source):
    """Folders of frames, a sample each; without --label_key its class is the name of the one above.

    A sample is a folder with `imgs/`, or with frames or `annotation.json` in it. Where there is
    `imgs/`, all files in it are frames, and no others. A folder that holds other files alone is
    listed too, and rejected, rather than passed over; so are a folder with frames both in it and
    below, and those below it: which of them is the sample cannot be known.
    """

    options: ImageFolderOptions
    kind = "frames"
    input_name = "folder with frames"

    def list_inputs(self) -> Iterator[InputFile]:
        """Lists the samples' folders with the bytes in them; `.` is the input folder itself."""
        sizes: collections.Counter[str] = collections.Counter()
        framed, annotated, with_folders = set(), set(), {""}
        for path, found in self._files(""):
            folder, name = posixpath.split(path)
            sample = folder.removesuffix(_FRAMES).rstrip("/") if _is_frames(folder) else folder
            sizes[sample] += found.size_in_bytes
            if _is_frame(path):
                framed.add(sample)
            elif name == ANNOTATION:
                annotated.add(sample)
            with_folders.update(_ancestors(sample))
        for sample, size in sorted(sizes.items()):
            if sample in framed or sample in annotated or sample not in with_folders:
                yield InputFile(sample or ".", size, _nested(sample, framed))

    def describe(self, path: str) -> Description:
        """Describes a sample from its images' headers and its annotation.

        Raises:
          RejectedInputError: if it has no frames, or they are damaged, too large or of different
            sizes; if its label is missing or unusable.
        """
        _require_own_folder(path)
        contents = self._contents(path)
        headers = [self._header(frame) for frame in contents.frames]
        _require_one_size(contents.frames, headers)
        height, width = self.options.resize_shape or (headers[0].height, headers[0].width)
        annotation = self._annotation(contents)
        label = self._label(path, annotation)
        stored_bytes = sum(frame.size_in_bytes for frame in contents.frames)
        self._require_record_size("the frames' files", stored_bytes)
        if self.options.resize_shape:  # PNG of photographs takes a half to all of the raw bytes.
            stored_bytes = len(headers) * height * width * 3
        self._require_record_size("the frames, resized,", stored_bytes)
        group, split = self.group_and_split(path, _reader(annotation))
        return Description(
            record_id=self.record_id(path),
            path=path,
            group=group,
            split=split,
            checksum=_checksum(contents),
            dtype="uint8",
            steps=len(headers),
            step_shape=(height, width, 3),
            label=None if label is None else describe_label(label),
            stored_bytes=stored_bytes,
        )

    def read(self, path: str) -> RawRecord:
        """Reads a sample: the bytes of its frames as they are, or resized and stored as PNG.

        Every frame is decoded, to be sure that it can be.

        Raises:
          RejectedInputError: like `describe`, or if a frame is damaged.
        """
        from pipeline.sources.image_decoding import encode_png

        contents = self._contents(path)
        label = self._label(path, self._annotation(contents))
        frames = []
        for frame in contents.frames:
            encoded, pixels = self._frame(frame)
            frames.append(encode_png(pixels) if self.options.resize else encoded)
        return RawRecord(frames, label, _checksum(self._contents(path)))

    def read_data(self, path: str) -> np.ndarray:
        """Reads a sample's frames alone, decoded; its annotation may be there or not.

        Returns:
          `[time, height, width, 3]` uint8.

        Raises:
          RejectedInputError: like `read`.
        """
        frames = self._contents(path).frames
        _require_one_size(frames, [self._header(frame) for frame in frames])
        return np.stack([self._frame(frame)[1] for frame in frames])

    def make_alike(self, found: Description, step_shape: tuple[int, ...]) -> str:
        """See `Source`."""
        return f"make all frames alike with --resize={step_shape[0]}x{step_shape[1]}"

    def _files(self, folder: str) -> Iterator[tuple[str, FoundFile]]:
        """Relative path and metadata of every file under a folder that is not hidden."""
        root = self.full_path("")
        inside = posixpath.join(root, folder, "")
        for found in self.files.list(inside):
            path = found.path.removeprefix(root)
            if not _is_hidden(path):
                yield path, found

    def _contents(self, path: str) -> _Contents:
        files = dict(self._files(path))
        in_imgs = posixpath.join(path, _FRAMES)
        folder = in_imgs if any(posixpath.dirname(name) == in_imgs for name in files) else path
        inside = [name for name in files if posixpath.dirname(name) == folder]
        frames = sorted(filter(_is_frame, inside), key=_natural)
        if not frames:
            raise RejectedInputError(
                f"no frames: no JPEG or PNG files in it, nor in {_FRAMES}/; add them, or remove "
                "the folder"
            )
        if folder == path:
            _require_no_sample_below(path, files)
        return _Contents(
            [files[name] for name in frames], files.get(posixpath.join(path, ANNOTATION))
        )

    def _header(self, frame: FoundFile) -> ImageHeader:
        with _opened(self.files, frame) as file:
            return self._checked_header(file)

    def _checked_header(self, file: IO[bytes]) -> ImageHeader:
        header = read_image_header(file)
        if header.height * header.width > self.options.max_frame_pixels:
            raise RejectedInputError(
                f"{header.height} x {header.width} pixels, more than --max_frame_pixels="
                f"{self.options.max_frame_pixels}; make it smaller, or allow more"
            )
        return header

    def _frame(self, frame: FoundFile) -> tuple[bytes, np.ndarray]:
        """A frame's file, and its pixels `[height, width, 3]` uint8, resized if they shall be."""
        from pipeline.sources.image_decoding import decode_checked, resized  # TensorFlow is slow.

        with _opened(self.files, frame) as file:
            encoded = file.read(frame.size_in_bytes + 1)
            if len(encoded) != frame.size_in_bytes:
                raise ChangedInputError("it changes while it is read; wait until it does not")
            pixels = decode_checked(encoded, self._checked_header(io.BytesIO(encoded)))
        shape = self.options.resize_shape
        return encoded, resized(pixels, *shape) if shape else pixels

    def _annotation(self, contents: _Contents) -> dict[str, Any] | None:
        found = contents.annotation
        if found is None:
            return None
        limit_mib = self.options.max_annotation_mib
        require_size(ANNOTATION, found.size_in_bytes, "max_annotation_mib", limit_mib)
        with _opened(self.files, found) as file:
            return parse_annotation(file.read())

    def _require_record_size(self, what: str, size_bytes: int) -> None:
        require_size(what, size_bytes, "max_record_mib", self.options.max_record_mib)

    def _label(self, path: str, annotation: dict[str, Any] | None) -> np.ndarray | None:
        key = self.options.label_key
        if self.options.label_kind == "none":
            return None
        if key:
            value = field(_required(annotation, key, "label_key"), key, "label_key")
            return label_array(value, key, self.options.label_kind)
        if annotation is not None:
            raise RejectedInputError(
                f"{ANNOTATION} has the fields {', '.join(annotation) or '(none)'}; name the label "
                "with --label_key, or use --label_kind=none"
            )
        return _class_by_folder(path)


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") or part in _JUNK for part in path.split("/"))


def _is_frames(folder: str) -> bool:
    return posixpath.basename(folder) == _FRAMES


def _is_frame(path: str) -> bool:
    folder, name = posixpath.split(path)
    return _is_frames(folder) or name.lower().endswith(_SUFFIXES)


def _ancestors(folder: str) -> Iterator[str]:
    while folder:
        folder = posixpath.dirname(folder)
        yield folder


def _nested(sample: str, framed: Set[str]) -> str:
    """What is wrong with frames below those of another sample; the input folder itself is none."""
    above = next((folder for folder in _ancestors(sample) if folder and folder in framed), "")
    if not above or sample not in framed:
        return ""
    return (
        f"its frames are below '{above}', which has some, too; a sample is one folder; move or "
        "remove one of them"
    )


def _natural(path: str) -> tuple[list[Any], str]:
    """Sorts 2 before 10, whatever stands before and after the number."""
    parts = re.split(r"([0-9]+)", posixpath.splitext(path)[0])
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], path


@contextlib.contextmanager
def _opened(files: Files, found: FoundFile) -> Iterator[IO[bytes]]:
    """Opens a file; what is wrong with it while it is open becomes a rejection that names it."""
    name = posixpath.basename(found.path)
    try:
        if not found.size_in_bytes:  # Not opened: a pipe has no bytes, too, and would never end.
            raise RejectedInputError("it is empty; remove it, or copy it again")
        with files.open(found.path) as file:
            yield file
    except RejectedInputError as error:
        is_named = name == ANNOTATION and name in str(error)
        kind = "" if name == ANNOTATION else "frame "
        raise type(error)(str(error) if is_named else f"{kind}{name}: {error}") from error
    except OSError as error:
        raise RejectedInputError(f"{name} cannot be read ({error}); copy it again") from error


def _require_own_folder(path: str) -> None:
    if path == ".":
        raise RejectedInputError(
            "frames directly in --input_dir; give every sample a folder of its own"
        )


def _require_no_sample_below(path: str, files: Iterable[str]) -> None:
    folders = {posixpath.dirname(name) for name in files if _is_frame(name)} - {path}
    if folders:
        first = posixpath.relpath(min(folders), path)
        raise RejectedInputError(
            f"frames both in it and in folders below it ({first}), a sample is one folder; move "
            "or remove one of them"
        )


def _require_one_size(frames: list[FoundFile], headers: list[ImageHeader]) -> None:
    first = headers[0]
    for frame, header in zip(frames, headers, strict=True):
        if (header.height, header.width) != (first.height, first.width):
            raise RejectedInputError(
                f"frame {posixpath.basename(frame.path)} has {header.height} x {header.width} "
                f"pixels, frame {posixpath.basename(frames[0].path)} has {first.height} x "
                f"{first.width}; frames of a sample must be alike, remove or repair the odd ones"
            )


def _required(annotation: dict[str, Any] | None, key: str, flag: str) -> dict[str, Any]:
    if annotation is None:
        raise RejectedInputError(
            f"no {ANNOTATION} for field {key!r} (--{flag}); add it, or remove the sample"
        )
    return annotation


def _reader(annotation: dict[str, Any] | None) -> Any:
    def read(key: str, flag: str) -> str:
        value = field(_required(annotation, key, flag), key, flag)
        if not isinstance(value, (str, int, float)):
            raise RejectedInputError(
                f"field {key!r} (--{flag}) of {ANNOTATION} is no text and no number; expected one"
            )
        return text_of(value)

    return read


def _class_by_folder(path: str) -> np.ndarray:
    parent = posixpath.basename(posixpath.dirname(path))
    if not parent:
        raise RejectedInputError(
            f"no label: no {ANNOTATION} and no folder above it that would name its class; use "
            "CLASS/SAMPLE/, or --label_kind=none"
        )
    return np.array(unicodedata.normalize("NFC", parent))


def _checksum(contents: _Contents) -> str:
    """Changes with the files; their content is not read, so a newer file counts as another."""
    digest = hashlib.sha256()
    for found in [*contents.frames, *filter(None, [contents.annotation])]:
        line = (posixpath.basename(found.path), found.size_in_bytes, found.last_updated_in_seconds)
        digest.update(repr(line).encode())
    return digest.hexdigest()

"""Folders of frames: a folder is a sample, its images in natural order are the time steps."""

import collections
import contextlib
import dataclasses
import functools
import hashlib
import io
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any, NamedTuple

import numpy as np

from pipeline.console.errors import ChangedInputError, RejectedInputError, printable
from pipeline.console.options import option
from pipeline.console.texts import listed
from pipeline.sources.annotations import (
    ANNOTATION,
    describe_labels,
    field,
    label_array,
    parse_annotation,
)
from pipeline.sources.files import Files, FoundFile
from pipeline.sources.frames.header import read_image_header
from pipeline.sources.frames.image import ImageHeader
from pipeline.sources.frames.names import (
    FRAMES,
    ancestors,
    is_frame,
    is_frames,
    is_hidden,
    natural,
    nested,
    require_no_sample_below,
)
from pipeline.sources.frames.options import ImageFileOptions
from pipeline.sources.grouping import text_of
from pipeline.sources.labels.asked import AskedLabel
from pipeline.sources.names import normal
from pipeline.sources.options import require_size
from pipeline.sources.source import Description, InputFile, RawRecord, Source, passed_over
from tfrecords_schema.left_out import LeftOut


class _Contents(NamedTuple):
    """Files of a sample: its frames in natural order, and `annotation.json` if there is one."""

    frames: list[FoundFile]
    annotation: FoundFile | None


@dataclasses.dataclass(frozen=True)
class ImageFolderOptions(ImageFileOptions):
    """Image folders."""

    max_annotation_mib: float = option(
        16.0,
        "Larger annotation.json are rejected; parsed, JSON takes up to 30 times its size.",
        positive=True,
    )


@dataclasses.dataclass(frozen=True)
class ImageFolderSource(Source):
    """Folders of frames, a sample each; without --label_key its class is the name of the one above.

    A sample is a folder with `imgs/`, or with frames or `annotation.json` in it. Where there is
    `imgs/`, all files in it are frames, and no others. A folder that holds nothing, or other files
    alone, is listed too, and rejected, rather than passed over; so are a folder with frames both in
    it and below, and those below it: which of them is the sample cannot be known.
    """

    options: ImageFolderOptions
    kind = "frames"
    input_name = "folder with frames"

    def list_inputs(self) -> Iterator[InputFile | LeftOut]:
        """Lists the samples' folders with the bytes in them; `.` is the input folder itself."""
        sizes: collections.Counter[str] = collections.Counter()
        direct: collections.Counter[str] = collections.Counter()
        in_imgs, meant, with_folders = set(), set(), {""}
        for path, found in self.listed():
            if found.passed_over:
                yield found.passed_over
            if found.passed_over or is_hidden(path):
                continue
            folder, name = posixpath.split(path)
            is_imgs = is_frames(folder)
            sample = posixpath.dirname(folder) if is_imgs else folder
            sizes[sample] += found.size_in_bytes
            with_folders.update(ancestors(sample))
            if is_imgs or name == ANNOTATION:
                meant.add(sample)
            if is_imgs and name:
                in_imgs.add(sample)
            elif name and is_frame(path):
                direct[sample] += 1
            elif name != ANNOTATION:
                yield from passed_over(path, "no frame")
        framed = in_imgs.union(direct)
        for sample, size in sorted(sizes.items()):
            if sample in framed or sample in meant or sample not in with_folders:
                yield InputFile(sample or ".", size, nested(sample, framed))
            if direct[sample] and sample in in_imgs:
                why = f"a frame beside {FRAMES}/, where all frames of a sample are"
                yield LeftOut("file", why, direct[sample], printable(sample or "."))

    def describe(self, path: str) -> Description:
        """Describes a sample from its images' headers and its annotation.

        Raises:
          RejectedInputError: if it has no frames, or they are damaged, too large or of different
            sizes; if its label is missing or unusable.
        """
        _require_own_folder(path)
        contents = self._contents(path)
        headers = self._headers(contents)
        height, width = self.options.resize_shape or headers[0].upright_shape
        annotation, others = self._annotation(contents)
        labels = self._labels(path, annotation)
        # PNG of photographs takes a half to all of the raw bytes.
        stored_bytes = sum(
            frame.size_in_bytes if self._is_kept(header) else height * width * 3
            for header, frame in zip(headers, contents.frames, strict=True)
        )
        self._require_record_size("the frames, stored as PNG,", stored_bytes)
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
            labels=describe_labels(labels, self.options.file_labels),
            stored_bytes=stored_bytes,
            left_out=tuple(_left_out(headers, others, self.options.value_range)),
        )

    def read(self, path: str) -> RawRecord:
        """Reads a sample: the bytes of its frames as they are, or what is made of them as PNG.

        Every frame is decoded, to be sure that it can be.

        Raises:
          RejectedInputError: like `describe`, or if a frame is damaged.
        """
        from pipeline.sources.frames.decoding import encode_png

        contents = self._contents(path)
        labels = self._labels(path, self._annotation(contents)[0])
        frames = []
        for frame in contents.frames:
            encoded, pixels = self._frame(frame)
            frames.append(encoded or encode_png(pixels))
        return RawRecord(frames, labels, _checksum(self._contents(path)))

    def read_data(self, path: str) -> np.ndarray:
        """Reads a sample's frames alone, decoded; its annotation may be there or not.

        Returns:
          `[time, height, width, 3]` uint8.

        Raises:
          RejectedInputError: like `read`.
        """
        contents = self._contents(path)
        self._headers(contents)
        return np.stack([self._frame(frame)[1] for frame in contents.frames])

    def fields(self, path: str) -> Mapping[str, Any]:
        """The fields of `annotation.json`."""
        return self._annotation(self._contents(path))[0] or {}

    def require_shape(self, path: str, step_shape: tuple[int, ...]) -> None:
        """See `Source`."""
        headers = self._headers(self._contents(path))
        found = (*(self.options.resize_shape or headers[0].upright_shape), 3)
        if found != step_shape:
            raise RejectedInputError(
                f"frames of {found[0]} x {found[1]} pixels, expected {step_shape[0]} x "
                f"{step_shape[1]}; resize them, or give others"
            )

    def make_alike(self, found: Description, step_shape: tuple[int, ...]) -> str:
        """See `Source`."""
        return f"make all frames alike with --resize={step_shape[0]}x{step_shape[1]}"

    def _contents(self, path: str) -> _Contents:
        files = {
            name: found
            for name, found in self.listed(posixpath.join(path, ""))
            if not (found.passed_over or name.endswith("/") or is_hidden(name))
        }
        folder = _frames_folder(path, files)
        inside = [name for name in files if posixpath.dirname(name) == folder]
        frames = sorted(filter(is_frame, inside), key=natural)
        if not frames:
            raise RejectedInputError(
                f"no frames: no image files in it, nor in {FRAMES}/; add them, or remove the folder"
            )
        if folder == path:
            require_no_sample_below(path, files)
        size_bytes = sum(files[name].size_in_bytes for name in frames)
        self._require_record_size("the frames' files", size_bytes)
        return _Contents(
            [files[name] for name in frames], files.get(posixpath.join(path, ANNOTATION))
        )

    def _headers(self, contents: _Contents) -> list[ImageHeader]:
        headers = [self._header(frame) for frame in contents.frames]
        if not self.options.resize_shape:
            _require_one_size(contents.frames, headers)
        return headers

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
        if header.bits > 8 and not self.options.levels:
            raise RejectedInputError(
                f"an image of {header.bits} bits per channel; say which values become 0 and 255, "
                "as with --value_range=0:65535, or save it in 8 bits"
            )
        return header

    def _is_kept(self, header: ImageHeader) -> bool:
        """Whether a frame is stored as it is."""
        is_plain = header.format in ("jpeg", "png") and header.bits <= 8
        return is_plain and header.orientation == 1 and not self.options.resize_shape

    def _frame(self, frame: FoundFile) -> tuple[bytes, np.ndarray]:
        """A frame's file, empty if its pixels are changed, and these `[height, width, 3]` uint8."""
        # TensorFlow is slow.
        from pipeline.sources.frames.decoding import decode_checked, resized

        with _opened(self.files, frame) as file:
            encoded = file.read(frame.size_in_bytes + 1)
            if len(encoded) != frame.size_in_bytes:
                raise ChangedInputError("it changes while it is read; wait until it does not")
            header = self._checked_header(io.BytesIO(encoded))
            pixels = decode_checked(encoded, header, self.options.levels)
        pixels = resized(pixels, *shape) if (shape := self.options.resize_shape) else pixels
        return encoded if self._is_kept(header) else b"", pixels

    def _annotation(self, contents: _Contents) -> tuple[dict[str, Any] | None, int]:
        """The fields of the annotation, and how many objects it has besides."""
        found = contents.annotation
        if found is None:
            return None, 0
        limit_mib = self.options.max_annotation_mib
        require_size(ANNOTATION, found.size_in_bytes, "max_annotation_mib", limit_mib)
        with _opened(self.files, found) as file:
            return parse_annotation(file.read())

    def _require_record_size(self, what: str, size_bytes: int) -> None:
        require_size(what, size_bytes, "max_record_mib", self.options.max_record_mib)

    def _labels(
        self, path: str, annotation: dict[str, Any] | None
    ) -> tuple[np.ndarray | None, ...]:
        inputs = {*map(normal, self.options.beside_key)}
        read = functools.partial(_label, path, annotation, inputs)
        return self.options.each_label(self.options.file_labels, read)


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


def _frames_folder(path: str, files: Iterable[str]) -> str:
    """The folder of a sample's frames: the one for them in it, or itself."""
    within = {posixpath.dirname(name) for name in files}
    found = sorted(f for f in within if posixpath.dirname(f) == path and is_frames(f))
    if found[1:]:
        raise RejectedInputError(
            f"frames in {' and '.join(map(posixpath.basename, found))}; keep one of these folders"
        )
    return found[0] if found else path


def _require_own_folder(path: str) -> None:
    if path == ".":
        raise RejectedInputError(
            "frames directly in --input_dir; give every sample a folder of its own"
        )


def _require_one_size(frames: list[FoundFile], headers: list[ImageHeader]) -> None:
    first = headers[0]
    for frame, header in zip(frames, headers, strict=True):
        if header.upright_shape != first.upright_shape:
            (height, width), (usual_height, usual_width) = header.upright_shape, first.upright_shape
            raise RejectedInputError(
                f"frame {posixpath.basename(frame.path)} has {height} x {width} pixels, frame "
                f"{posixpath.basename(frames[0].path)} has {usual_height} x {usual_width}; make "
                "frames alike with --resize, or remove or repair the odd ones"
            )


def _left_out(headers: list[ImageHeader], others: int, value_range: str) -> Iterator[LeftOut]:
    """What is said of frames that are not stored as they are, and of an annotation's others."""
    if turned := sum(header.orientation != 1 for header in headers):
        yield LeftOut("frame", "turned upright, as EXIF says, and stored as PNG", turned)
    if deep := sum(header.bits > 8 for header in headers):
        yield LeftOut("frame", f"of more than 8 bits, of which {value_range} became 0 to 255", deep)
    if alpha := sum(header.has_alpha for header in headers):
        yield LeftOut("frame", "read without its channel of opacity", alpha)
    if others:
        yield LeftOut("object", f"in {ANNOTATION}, behind the first, which counts alone", others)


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


def _label(
    path: str, annotation: dict[str, Any] | None, inputs: set[str], asked: AskedLabel
) -> np.ndarray:
    """A label; what is asked for without a name is a class, after which the folder is called.

    Then an annotation must have no other fields than those that are inputs.
    """
    key = asked.key
    if key:
        value = field(_required(annotation, key, "label_key"), key, "label_key")
        return label_array(value, key, asked.kind)
    if annotation is not None and not inputs.issuperset(annotation or [""]):
        raise RejectedInputError(
            f"{ANNOTATION} has the fields {listed([*annotation]) or '(none)'}; name the label "
            "with --label_key, or use --label_kind=none"
        )
    return _class_by_folder(path)


def _class_by_folder(path: str) -> np.ndarray:
    parent = posixpath.basename(posixpath.dirname(path))
    if not parent:
        raise RejectedInputError(
            f"no label: no {ANNOTATION} and no folder above it that would name its class; use "
            "CLASS/SAMPLE/, or --label_kind=none"
        )
    return np.array(normal(parent))


def _checksum(contents: _Contents) -> str:
    """Changes with the files; their content is not read, so a newer file counts as another."""
    digest = hashlib.sha256()
    for found in [*contents.frames, *filter(None, [contents.annotation])]:
        line = (posixpath.basename(found.path), found.size_in_bytes, found.last_updated_in_seconds)
        digest.update(repr(line).encode())
    return digest.hexdigest()

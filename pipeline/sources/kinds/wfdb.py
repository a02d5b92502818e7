"""WFDB records, also of several segments, with their annotations as labels."""

import collections
import contextlib
import dataclasses
import functools
import importlib
import io
import posixpath
import re
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from pipeline.console.errors import MissingLabelError, RejectedInputError
from pipeline.console.options import option
from pipeline.sources.files import Files
from pipeline.sources.names import parts
from pipeline.sources.options import require_size
from pipeline.sources.recordings.annotations import Annotation
from pipeline.sources.recordings.libraries import library, open_file, reading, require_library
from pipeline.sources.recordings.options import RecordingOptions
from pipeline.sources.recordings.sections import Channel, Part
from pipeline.sources.recordings.source import Recording, RecordingSource
from pipeline.sources.recordings.units import spelled
from pipeline.sources.source import InputFile
from tfrecords_schema.left_out import LeftOut

_DIFFERENCES = "8"  # The format that has them in place of samples.
_EMPTY = "~"  # A segment, or a signal in a layout, for which there is no file.
_MAX_SIDE_MIB = 64.0  # Headers and annotations are texts and beats.
_FIRST_BYTES = 4096
_NOTE = re.compile(rb"## ([^\0\xfc-\xff]*)")
_RATE_NOTE = re.compile(rb"time resolution: *\d+(\.\d+)?[^#]{0,3}", re.DOTALL)
_DEFINITIONS = (b"annotation type definitions", b"end of definitions")


@dataclasses.dataclass(frozen=True)
class WfdbOptions(RecordingOptions):
    """WFDB records."""

    annotation_field: str = option(
        "symbol",
        "What of an annotation is its text: the symbol of its kind, or the note with it, as of "
        "rhythms.",
        ("symbol", "aux_note"),
    )

    def check(self) -> None:
        """See `Options`."""
        super().check()
        require_library("wfdb", "wfdb")


@dataclasses.dataclass(frozen=True)
class WfdbSource(RecordingSource):
    """WFDB records; --label_key=atr reads the annotations in .atr.

    Values are in physical units, annotations become a class for every step. Comments `key: value`
    of the header are fields for --label_key and --group_key, other comments are comment_1,
    comment_2, ... Records are read from local folders.
    """

    options: WfdbOptions
    suffix = ".hea"
    input_name = "WFDB header"

    def list_inputs(self) -> Iterator[InputFile | LeftOut]:
        """Lists the records that are no segments of another; other files of theirs are not told."""
        headers: set[str] = set()
        segments: set[str] = set()
        signals: set[str] = set()
        for file in super().list_inputs():
            if isinstance(file, InputFile):
                headers.add(file.path.removesuffix(".hea"))
                has_segments, named = self._named(file)
                (segments if has_segments else signals).update(named)
        for file in super().list_inputs():
            if not isinstance(file, LeftOut):
                if file.path.removesuffix(".hea") not in segments:
                    yield file
            elif file.example not in signals and posixpath.splitext(file.example)[0] not in headers:
                yield file

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[Recording]:
        """See `RecordingSource`."""
        wfdb = _wfdb()
        place = self.full_path(path)
        if "://" in place:
            raise RejectedInputError("WFDB records are read from local folders; copy it there")
        _require_each_once(_lines(_small_file(self.files, place)))
        with reading("wfdb"):
            header = wfdb.rdheader(place.removesuffix(".hea"), rd_segments=True)
        yield _Record(wfdb, place.removesuffix(".hea"), header, self)

    def _named(self, file: InputFile) -> tuple[bool, set[str]]:
        """Whether a header has segments; relative paths of these, or of files with signals."""
        lines: list[str] = []
        has_segments = False
        if file.problem or not file.size_bytes:
            return has_segments, set()
        with contextlib.suppress(OSError), self.files.open(self.full_path(file.path)) as header:
            lines = _lines(header.read(_FIRST_BYTES))
            has_segments = "/" in next(iter(lines), "").partition(" ")[0]
            if has_segments:
                header.seek(0)
                lines = _lines(header.read(int(_MAX_SIDE_MIB * 2**20)))
        folder = posixpath.dirname(file.path)
        return has_segments, {posixpath.join(folder, line.partition(" ")[0]) for line in lines[1:]}


@functools.cache
def _wfdb() -> ModuleType:
    """The library, which no longer takes a millisecond for the header of a few channels.

    wfdb 4.3 looks each field of each channel up in a table of pandas, several times.
    """
    wfdb = library("wfdb", "wfdb")
    header = importlib.import_module("wfdb.io._header")
    for name in ("RECORD_SPECS", "SIGNAL_SPECS"):
        setattr(header, name, _Fields(getattr(header, name)))
    return wfdb


class _Fields:
    """A table of wfdb's; single cells of it come from a dict."""

    def __init__(self, table: Any):
        self._table, self.index, self.loc = table, [*table.index], _Cells(table)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def __getitem__(self, key: Any) -> Any:
        return self._table[key]

    def __contains__(self, key: object) -> bool:
        return key in self._table


class _Cells(dict[tuple[str, str], Any]):
    def __init__(self, table: Any):
        super().__init__({(row, of): table.at[row, of] for row in table.index for of in table})


def _lines(content: bytes) -> list[str]:
    """The lines of a header that are no comments."""
    lines = content.decode("ascii", "ignore").splitlines()
    return [line for line in lines if line.strip() and line[0] != "#"]


def _require_each_once(lines: list[str]) -> None:
    """Refuses a header that names a segment twice: wfdb reads each as often as it is named."""
    names = [line.partition(" ")[0] for line in lines[1:]]
    counts = collections.Counter(name for name in names if name != _EMPTY)
    name, count = next(iter(counts.most_common(1)), ("", 0))
    if count > 1 and "/" in lines[0].partition(" ")[0]:
        raise RejectedInputError(
            f"its header names segment '{name}' {count} times; name each once, or remove it"
        )


class _Record(Recording):
    def __init__(self, wfdb: Any, name: str, header: Any, source: WfdbSource):
        self._wfdb, self._name, self._header = wfdb, name, header
        self._files, self._options = source.files, source.options
        folder = posixpath.dirname(name)
        segments = getattr(header, "segments", None)
        records = [s for s in segments if s is not None] if segments is not None else [header]
        # Names with a folder in them are none to wfdb, so no file elsewhere can be meant.
        parts = [part for part in getattr(header, "seg_name", []) if part != _EMPTY]
        files = {file for record in records for file in record.file_name or [] if file != _EMPTY}
        headers = [posixpath.join(folder, f"{part}.hea") for part in parts]
        signals = [posixpath.join(folder, file) for file in sorted(files)]
        self._beside = [*headers, *signals]
        self._is_differences = any(_DIFFERENCES in (record.fmt or []) for record in records)
        with reading("wfdb"):
            self._per_frame = [int(n) for n in records[0].samps_per_frame] if records else []
            length = self._length()
            names = header.sig_name or []
            units = self._units(records)
            self.channels = [
                Channel(
                    names[i] or str(i), float(header.fs) * per_frame, length * per_frame, units[i]
                )
                for i, per_frame in enumerate(self._per_frame)
            ]

    def _units(self, records: Sequence[Any]) -> list[str]:
        """Of each channel, by its name in the first segment that has it; empty if unknown."""
        found: dict[str, str] = {}
        for record in records:
            for name, unit in zip(record.sig_name or [], record.units or [], strict=False):
                found.setdefault(name, spelled(unit or ""))
        return [found.get(name, "") for name in self._header.sig_name or []]

    def beside(self) -> Sequence[str]:
        places = [f"{self._name}.{key}" for key in parts(self._options.label_key)]
        return [*self._beside, *filter(self._files.exists, places)]

    def _length(self) -> int:
        """Frames; where the header does not say it, the file with the signals does."""
        header = self._header
        if header.sig_len is not None or not header.file_name:
            return int(header.sig_len or 0)
        first = header.file_name[0]
        per_frame = sum(
            n for file, n in zip(header.file_name, self._per_frame, strict=True) if file == first
        )
        return self._wfdb.io._signal._infer_sig_len(
            file_name=first, fmt=header.fmt[0], tsamps_per_frame=per_frame,
            byte_offset=header.byte_offset[0], dir_name=posixpath.dirname(self._name),
        )  # fmt: skip

    def read(self, parts: Sequence[Part]) -> Sequence[np.ndarray] | np.ndarray:
        per_frame = [self._per_frame[part.channel] for part in parts]
        pairs = [*zip(parts, per_frame, strict=True)]
        # wfdb 4.3 reads differences from any sample on as if those before were 0.
        first = 0 if self._is_differences else min(part.start // n for part, n in pairs)
        last = max(-(-part.stop // n) for part, n in pairs)
        is_plain = all(n == 1 for n in self._per_frame)  # Else frames would be averaged.
        with reading("wfdb"):
            found = self._wfdb.rdrecord(
                self._name,
                first,
                None if self._header.sig_len is None else last,  # It finds the end then, as above.
                [part.channel for part in parts],
                smooth_frames=is_plain,
            )
            if is_plain:
                start = min(part.start for part in parts) - first
                return found.p_signal[start : last - first].astype(np.float32)
            return [
                values[part.start - first * n : part.stop - first * n].astype(np.float32)
                for values, (part, n) in zip(found.e_p_signal, pairs, strict=True)
            ]

    def fields(self) -> dict[str, str | int | float]:
        found: dict[str, str | int | float] = {}
        for number, comment in enumerate(self._header.comments or [], 1):
            key, colon, value = comment.partition(":")
            found[key.strip() if colon else f"comment_{number}"] = (value if colon else key).strip()
        return found

    def annotations(self, key: str) -> Sequence[Annotation] | None:
        place = f"{self._name}.{key}"
        if not self._files.exists(place):
            if key in self.fields():
                return None
            raise MissingLabelError(
                f"no annotations {posixpath.basename(place)} beside it, and no field {key!r} "
                "(--label_key); add them, or remove the recording"
            )
        _require_known_notes(_small_file(self._files, place), place)
        with reading("wfdb"):
            found = self._wfdb.rdann(self._name, key)
            rate_hz = float(found.fs or self._header.fs)
            texts = getattr(found, self._options.annotation_field)
            return [
                Annotation(int(sample) / rate_hz, 0.0, text.strip("\0 "))
                for sample, text in zip(found.sample, texts, strict=True)
            ]


def _small_file(files: Files, place: str) -> bytes:
    """The content of a header or of annotations."""
    with open_file(files, place) as file:
        size = file.seek(0, io.SEEK_END)
        require_size(posixpath.basename(place), size, "max_record_mib", _MAX_SIDE_MIB)
        file.seek(0)
        return file.read()


def _require_known_notes(content: bytes, place: str) -> None:
    """Notes that begin with ## describe the file; wfdb 4.3 never ends at one it cannot read."""
    notes = _NOTE.findall(content)
    rates = [note for note in notes if _RATE_NOTE.fullmatch(note)]
    if len(rates) > 1 or {*notes} - {*rates, *_DEFINITIONS}:
        raise RejectedInputError(
            f"{posixpath.basename(place)} has a note that begins with ## and is neither its time "
            "resolution nor a definition; remove that"
        )

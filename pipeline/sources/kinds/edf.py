"""EDF and BDF files, a recording each, with their annotations as labels."""

import contextlib
import dataclasses
import datetime
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.console.options import option
from pipeline.sources.names import parts
from pipeline.sources.recordings.annotations import Annotation
from pipeline.sources.recordings.companions import companion
from pipeline.sources.recordings.libraries import (
    library,
    local_path,
    open_file,
    reading,
    require_library,
)
from pipeline.sources.recordings.options import RecordingOptions
from pipeline.sources.recordings.sections import Channel, Part
from pipeline.sources.recordings.source import Recording, RecordingSource
from pipeline.sources.recordings.timelines import Timeline, timeline_of
from pipeline.sources.recordings.units import spelled
from pipeline.sources.source import InputFile, Source
from tfrecords_schema.left_out import LeftOut

_ANNOTATIONS = "annotations"
_SMALL_BYTES = 1 << 20  # To map a file takes as long as to read so many.
_NUM_RECORDS = slice(236, 244)
_ONSET = re.compile(rb"([+-]\d+(?:\.\d*)?)[\x14\x15]")
_NO_ASCII = re.compile("\ufffd+")  # Headers are ASCII; in a unit, a letter for micro is none.
_HALF_DAY_SECS = 12 * 3600


@dataclasses.dataclass(frozen=True)
class EdfOptions(RecordingOptions):
    """EDF and BDF files."""

    annotation_suffix: str = option(
        "",
        "Annotations are in other files beside the recordings, which end so, as -Hypnogram.edf; a "
        "file is for the recording whose name begins most like its own.",
    )

    def check(self) -> None:
        """See `Options`."""
        super().check()
        require_library("edfio", "edf")
        if self.annotation_suffix and _ANNOTATIONS not in parts(self.label_key):
            raise UsageError(f"--annotation_suffix is for --label_key={_ANNOTATIONS}; add that")


@dataclasses.dataclass(frozen=True)
class EdfSource(RecordingSource):
    """EDF and BDF files, a recording each; --label_key=annotations reads theirs.

    Values are in physical units, annotations become a class for every step. Other fields for
    --label_key and --group_key: patient, patient_code, sex, recording.
    """

    options: EdfOptions
    suffix = (".edf", ".bdf", ".rec")
    input_name = "EDF or BDF file"

    def list_inputs(self) -> Iterator[InputFile | LeftOut]:
        """Lists all but the files with annotations of others."""
        for file in super().list_inputs():
            if isinstance(file, LeftOut) or not self._is_companion(file.path):
                yield file

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[Recording]:
        """See `RecordingSource`."""
        place = self.full_path(path)
        with self.opened(place) as file:
            yield _Edf(file, place, self)

    def without_labels(self) -> Source:
        """See `Source`."""
        options = self.options.without_labels(annotation_suffix="")
        return dataclasses.replace(self, options=options)

    def _is_companion(self, path: str) -> bool:
        suffix = self.options.annotation_suffix
        return bool(suffix) and path.endswith(suffix)

    def companion_of(self, place: str) -> str:
        """The file with the annotations of a recording; empty if that has its own."""
        suffix = self.options.annotation_suffix
        return companion(self.files, place, suffix, self.suffix) if suffix else ""

    @contextlib.contextmanager
    def opened(self, place: str) -> Iterator[Any]:
        """A file as edfio reads it, of which no sample has been read but in a small one."""
        edfio = library("edfio", "edf")
        read = edfio.read_bdf if place.lower().endswith(".bdf") else edfio.read_edf
        with open_file(self.files, place) as raw, reading("edfio"):
            content = raw.read(_SMALL_BYTES)
        with contextlib.ExitStack() as stack:
            given: str | bytes = content
            if len(content) == _SMALL_BYTES:
                limit_mib = self.options.max_record_mib
                given = stack.enter_context(local_path(self.files, place, limit_mib))
            with reading("edfio"):
                file, announced = read(given), int(content[_NUM_RECORDS])
            if file.num_data_records < announced:
                raise RejectedInputError(
                    f"its header announces {announced} data records, the file holds "
                    f"{file.num_data_records}; copy it again"
                )
            yield file


class _Edf(Recording):
    def __init__(self, file: Any, place: str, source: EdfSource):
        self._file, self._place, self._source = file, place, source
        with reading("edfio"):
            self._timeline = _timeline(file) if file.reserved[3:5] == "+D" else None
            self._signals = file.signals  # edfio looks through all of them each time.
            self.channels = [
                Channel(
                    signal.label,
                    float(signal.sampling_frequency),
                    self._samples(signal.samples_per_data_record),
                    spelled(_NO_ASCII.sub("u", signal.physical_dimension)),
                )
                for signal in self._signals
            ]
        gaps = self._timeline.gaps.tolist() if self._timeline else []
        if gaps and source.options.non_finite == "reject":
            raise RejectedInputError(
                f"it is discontinuous (EDF+D), with {len(gaps)} gaps between its data records, "
                f"the first before record {gaps[0] + 1}; say with --non_finite what becomes of gaps"
            )

    def _samples(self, per_record: int) -> int:
        if self._timeline:
            return self._timeline.samples(per_record)
        return per_record * self._file.num_data_records

    def read(self, parts: Sequence[Part]) -> list[np.ndarray]:
        with reading("edfio"):
            return [self._read(part) for part in parts]

    def _read(self, part: Part) -> np.ndarray:
        signal = self._signals[part.channel]

        def load(start: int, stop: int) -> np.ndarray:
            rate_hz = signal.sampling_frequency
            return signal.get_data_slice(start / rate_hz, stop / rate_hz).astype(np.float32)

        if not self._timeline:
            return load(part.start, part.stop)
        per_record = signal.samples_per_data_record
        return self._timeline.read(part.start, part.stop, per_record, load)

    def beside(self) -> Sequence[str]:
        return [*filter(None, [self._source.companion_of(self._place)])]

    def fields(self) -> dict[str, str | int | float]:
        found: dict[str, str | int | float] = {}
        readers = {
            "patient": lambda: self._file.local_patient_identification,
            "patient_code": lambda: self._file.patient.code,
            "sex": lambda: self._file.patient.sex,
            "recording": lambda: self._file.local_recording_identification,
        }
        for name, read in readers.items():
            with contextlib.suppress(Exception):  # Of plain EDF they are free text.
                found[name] = str(read())
        return found

    def annotations(self, key: str) -> Sequence[Annotation] | None:
        if key != _ANNOTATIONS:
            return None
        place = self._source.companion_of(self._place)
        if not place:
            return _annotations(self._file, 0.0)
        with self._source.opened(place) as annotated:
            with reading("edfio"):
                later = _starts_later(annotated, self._file)
            return _annotations(annotated, later)


def _timeline(file: Any) -> Timeline:
    """When each data record begins, as the first of its annotations says."""
    texts = file._timekeeping_signal.digital.reshape(file.num_data_records, -1)
    found = [_ONSET.match(text.tobytes()) for text in texts]
    if not found or None in found:
        raise ValueError("a data record of EDF+D has no time")
    onsets_secs = np.array([float(match[1]) for match in found if match])
    return timeline_of(onsets_secs, float(file.data_record_duration))


def _annotations(file: Any, later: float) -> list[Annotation]:
    with reading("edfio"):
        return [
            Annotation(found.onset + later, found.duration or 0.0, found.text)
            for found in file.annotations
        ]


def _starts_later(annotated: Any, recording: Any) -> float:
    """Seconds that a file with annotations begins after the recording; 0 if one has no clock."""
    try:
        days = annotated.startdate - recording.startdate
    except ValueError:  # Dates are made anonymous.
        days = datetime.timedelta(0)
    with contextlib.suppress(ValueError):
        day = datetime.date(2000, 1, 1)
        moments = [datetime.datetime.combine(day, f.starttime) for f in (annotated, recording)]
        secs = (moments[0] - moments[1] + days).total_seconds()
        return secs if days or abs(secs) < _HALF_DAY_SECS else secs - np.sign(secs) * 86_400
    return 0.0

"""CSV and Parquet: a recording a file, or all recordings in one long table."""

import contextlib
import dataclasses
import functools
import math
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from pipeline.console.errors import MissingLabelError, RejectedInputError, UsageError
from pipeline.console.options import option
from pipeline.console.texts import listed
from pipeline.sources.labels.asked import AskedLabel
from pipeline.sources.names import parts
from pipeline.sources.outside.source import METADATA
from pipeline.sources.recordings.clocks import UNITS, Clock, clock_of
from pipeline.sources.recordings.libraries import fingerprint, open_file, reading
from pipeline.sources.recordings.options import RecordingOptions
from pipeline.sources.recordings.sections import Channel, Part
from pipeline.sources.recordings.source import Recording, RecordingSource
from pipeline.sources.source import InputFile
from tfrecords_schema.left_out import LeftOut

_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".pq")
_ROWS_OF = re.compile(r"(.*?\.(?:csv|tsv|parquet|pq))/(.*)", re.IGNORECASE | re.DOTALL)
_PACKED = ".gz"


@dataclasses.dataclass(frozen=True)
class TableOptions(RecordingOptions):
    """CSV and Parquet files."""

    recording_column: str = option(
        "",
        "Column that says which recording a row is of, in tables of many; the rows of a recording "
        "stand together.",
    )
    time_column: str = option(
        "",
        "Column with the time, a number or date and time. With --resample_hz the others are "
        "interpolated linearly between rows, onto a regular clock from the first row on; without "
        "it rows must be regular, and the rate is theirs: a whole number of Hz, or else one of few "
        "digits, that is within 0.05%. Rows that are missing are a gap, see --non_finite.",
    )
    time_unit: str = option("s", "Of times that are numbers.", tuple(UNITS))
    max_gap_secs: float | None = option(
        None,
        "With --time_column and --resample_hz: a longer time between two rows is a gap, see "
        "--non_finite; 10 times the usual one if not given.",
        positive=True,
    )
    has_header: bool = option(True, "The first line of text has the names; else they are 0, 1, ...")
    decimal_comma: bool = option(False, "Numbers in text are written with a comma, 1,5.")

    def check(self) -> None:
        """See `Options`."""
        super().check()
        if self.max_gap_secs and not (self.time_column and self.resample_hz):
            raise UsageError("--max_gap_secs needs --time_column and --resample_hz; add them")
        if self.time_unit != "s" and not self.time_column:
            raise UsageError("--time_unit is of --time_column; add that")

    def recorded(self) -> dict[str, Any]:
        """See `ConvertOptions`."""
        return self.without_unused(super().recorded(), ("time_unit",))


@dataclasses.dataclass(frozen=True)
class TableSource(RecordingSource):
    """CSV and Parquet files, a recording each, or of many (--recording_column).

    Columns of numbers are channels. --label_key is a column with a label for every row, or with
    --label_kind=record_class one for all; --group_key and --split_key are columns of one value.
    """

    options: TableOptions
    suffix = _SUFFIXES
    input_name = "CSV or Parquet file"

    def list_inputs(self) -> Iterator[InputFile | LeftOut]:
        """Lists the files, or the recordings in them; tables of labels are none of them."""
        for file in super().list_inputs():
            if isinstance(file, LeftOut):
                yield file
                continue
            place = self.full_path(file.path)
            if place == self.options.labels or posixpath.basename(place) in METADATA:
                continue
            if not self.options.recording_column or not file.size_bytes:
                yield file
                continue
            if place.lower().endswith(_PACKED):
                why = "a table of many recordings is read in places; unpack it"
                yield file._replace(problem=why)
                continue
            try:
                found = self._recordings(place)
            except RejectedInputError as error:
                yield file._replace(problem=str(error))
                continue
            for name, rows in found.items():
                problem = "" if rows else "its rows are not together; sort the table"
                problem = problem if name else "rows without a name; fill in the column"
                yield InputFile(f"{file.path}/{name}", file.size_bytes, problem)

    def record_id(self, path: str) -> str:
        """The path without the file's suffix."""
        file, name = self._parts(path)
        return "/".join(filter(None, [super().record_id(file), name]))

    def full_path(self, path: str) -> str:
        """Where the file is that a recording is in."""
        return super().full_path(self._parts(path)[0])

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[Recording]:
        """See `RecordingSource`."""
        place, limit_mib = self.full_path(path), self.options.max_record_mib
        name = self._parts(path)[1]
        rows = self._recordings(place).get(name) if name else None
        if name and rows is None:
            raise RejectedInputError("it is not, or not in one place, in the table; look there")
        # Help must not wait for pyarrow.
        from pipeline.sources.recordings import columns, text_columns

        if place.lower().endswith(columns.PARQUET):
            with open_file(self.files, place) as file:
                parquet = columns.parquet_file(file)
                yield _Table(columns.parquet_columns(parquet, rows, limit_mib), self.options)
            return
        with text_columns.open_text(self.files, place) as file:
            layout = text_columns.layout_of(file, place, *self._writing)
            table = text_columns.read_text(file, layout, rows, limit_mib)
        found = columns.Columns(table.schema, table.num_rows, table.select)
        doubtful = functools.partial(text_columns.mostly_numbers, table)
        yield _Table(found, self.options, layout.unused, doubtful)

    def _parts(self, path: str) -> tuple[str, str]:
        """The file's path, and which recording in it is meant; empty if it is the whole file."""
        found = _ROWS_OF.fullmatch(path) if self.options.recording_column else None
        return (found[1], found[2]) if found else (path, "")

    def _recordings(self, place: str) -> Any:
        from pipeline.sources.recordings.columns import find_recordings

        version = fingerprint(self.files, place)
        return find_recordings(
            self.files, place, version, self.options.recording_column, *self._writing
        )

    @property
    def _writing(self) -> tuple[bool, bool]:
        """How text is written, as `layout_of` has it."""
        return self.options.has_header, self.options.decimal_comma


class _Table(Recording):
    def __init__(
        self,
        columns: Any,
        options: TableOptions,
        unused: Iterable[LeftOut] = (),
        doubtful: Callable[[Iterable[str]], Iterable[str]] = lambda _: (),
    ):
        self._columns, self._options = columns, options
        self._unused, self._doubtful = [*unused], doubtful
        named = {
            options.time_column, options.recording_column, options.group_key, options.split_key,
            options.label_key, *parts(options.label_key),
        } - {""}  # fmt: skip
        others = [name for name in columns.names if name not in named]
        self._names = [name for name in others if columns.is_number(name)]
        self._texts = [name for name in others if name not in self._names]
        if not self._names and self._texts:
            raise RejectedInputError(
                f"no column of numbers: {listed(self._texts)} are text or lists; write numbers "
                "with a point (or use --decimal_comma), without separators of thousands, each in a "
                "cell"
            )
        self._clock: Clock | None = None
        rate_hz, samples = options.sample_rate_hz or 0.0, columns.rows
        if options.time_column:
            self._clock = clock_of(
                self._column(options.time_column), options.resample_hz, options.max_gap_secs,
                has_gaps=options.non_finite != "reject", unit=options.time_unit,
            )  # fmt: skip
            rate_hz, samples = self._clock.rate_hz, self._clock.samples
        self.channels = [Channel(name, rate_hz, samples) for name in self._names]

    def unused(self) -> Sequence[LeftOut]:
        said, doubtful = [*self._unused], [*self._doubtful(self._texts)]
        if texts := ", ".join(repr(name) for name in self._texts if name not in doubtful):
            said.append(LeftOut("recording", f"columns {texts} are no numbers, not used"))
        for name in doubtful:
            why = f"column {name!r} is not used, as not all of it are numbers with a point"
            said.append(LeftOut("recording", f"{why}; --decimal_comma reads 1,5"))
        return said

    def _column(self, name: str) -> np.ndarray:
        if name not in self._columns:
            raise RejectedInputError(f"no column {name!r}; it has {', '.join(self._columns.names)}")
        with reading("pyarrow"):
            return self._columns[name]

    def read(self, parts: Sequence[Part]) -> list[np.ndarray]:
        found = []
        with reading("pyarrow"):
            self._columns.load(self._names[part.channel] for part in parts)
        for part in parts:
            values = self._columns[self._names[part.channel]].astype(np.float64)
            values = self._clock.values(values) if self._clock else values
            found.append(values[part.start : part.stop])
        return found

    def fields(self) -> dict[str, str | int | float]:
        options = self._options
        keys = {options.group_key, options.split_key}
        labels = (one.key for one in options.file_labels if one.kind.startswith("record_"))
        keys.update(key for key in labels if key in self._columns)
        found: dict[str, str | int | float] = {}
        for key in keys - {""}:
            cells = self._column(key).tolist()  # Without a value in any row it has one, NaN.
            distinct = {math.nan if one is None or one != one else one for one in cells}
            if len(distinct) != 1:
                raise RejectedInputError(
                    f"column {key!r} has {len(distinct)} values, expected one for all rows"
                )
            found[key] = distinct.pop()
        return found

    def labels(self, asked: AskedLabel) -> np.ndarray | None:
        key = asked.key
        if key not in self._columns:
            raise MissingLabelError(
                f"no column {key!r} (--label_key); it has {', '.join(self._columns.names)}"
            )
        if asked.kind.startswith("record_"):
            return None
        labels = self._column(key)
        is_text = labels.dtype.kind == "O"
        if is_text and not all(isinstance(label, str) for label in labels.tolist()):
            raise RejectedInputError(
                f"column {key!r} is not all text or all numbers; repair it, and where a row has no "
                "label write a word for that, which --ignore_label names"
            )
        if not is_text and labels.dtype.kind not in "biuf":
            raise RejectedInputError(
                f"column {key!r} holds {labels.dtype}; expected text or numbers"
            )
        if not is_text:
            is_value = labels.dtype.kind == "f" or asked.kind.endswith("_value")
            labels = labels.astype(np.float64 if is_value else np.int64)
        return labels[self._clock.rows] if self._clock else labels

"""CSV and TSV as columns: how a file is written, its rows, and whose each of them is."""

import contextlib
import csv
import gzip
import io
import itertools
import re
from collections.abc import Iterable, Iterator
from typing import IO, Any, NamedTuple

import numpy as np
import pyarrow
import pyarrow.compute
import pyarrow.csv

from pipeline.console.errors import RejectedInputError
from pipeline.sources.files import Files
from pipeline.sources.options import require_size
from pipeline.sources.outside.table import delimiter_of
from pipeline.sources.recordings.libraries import open_file, reading
from tfrecords_schema.left_out import LeftOut

PACKED = ".gz"
_MAX_LINE_BYTES, _BLOCK_BYTES = 1 << 20, 1 << 23
# Of numbers, as pandas has them; as a text each is what it is.
_NULLS = [
    "", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "-NaN", "-nan", "NULL", "null",
    "None", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN",
]  # fmt: skip
_NUMBER = r"^\s*[+-]?[0-9][0-9.,' ]*([eE][+-]?[0-9]+)?\s*$"
_FLOAT = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?|[+-]?\d+[eE][+-]?\d+")


class Rows(NamedTuple):
    """Where the rows of one recording are: bytes of a text file, row numbers of a Parquet file."""

    start: int
    stop: int


class Layout(NamedTuple):
    """How text files are written.

    Attributes:
      names: of the columns; the first and the last may have none.
      delimiter: between cells.
      start: byte at which the rows begin.
      decimal_point: in numbers.
    """

    names: tuple[str, ...]
    delimiter: str
    start: int
    decimal_point: str = "."

    @property
    def named(self) -> list[str]:
        """The columns that have a name."""
        return [name for name in self.names if name]

    @property
    def unused(self) -> Iterator[LeftOut]:
        """What is said of columns without a name, and of names that may be none."""
        if "" in self.names:
            yield LeftOut("recording", "a column without a name, as of row numbers, not used")
        if self.named and all(map(_FLOAT.fullmatch, self.named)):
            yield LeftOut(
                "recording", "its first line, of numbers, taken for names; see --nohas_header"
            )


@contextlib.contextmanager
def open_text(files: Files, place: str) -> Iterator[IO[bytes]]:
    """Opens a text file, also one that gzip has packed, which is unpacked while it is read."""
    with open_file(files, place) as file:
        is_packed = place.lower().endswith(PACKED)
        yield gzip.GzipFile(fileobj=file) if is_packed else file  # type: ignore[misc]


def layout_of(file: IO[bytes], path: str, has_header: bool, decimal_comma: bool) -> Layout:
    """How a text file is written, by its first line.

    Raises:
      RejectedInputError: if that has no names.
    """
    with reading("Python"):
        file.seek(0)
        line = _line(file)
        first = _decoded(line)
        is_tsv = path.lower().removesuffix(PACKED).endswith(".tsv")
        # Commas of numbers stand between no cells, unless nothing else does.
        separating = first.replace(",", "") if decimal_comma else first
        delimiter = "\t" if is_tsv else delimiter_of(separating)
        cells = next(csv.reader([first], delimiter=delimiter), [])
    point = "," if decimal_comma else "."
    names = [cell.strip() for cell in cells]
    if not has_header:
        return Layout(tuple(map(str, range(len(names)))), delimiter, 0, point)
    found = Layout(tuple(names), delimiter, len(line), point)
    if not any(names) or "" in names[1:-1] or len({*found.named}) < len(found.named):
        raise RejectedInputError(
            "its first line has no name for each column, each once; add it, or use --nohas_header"
        )
    return found


def read_text(
    file: IO[bytes], layout: Layout, rows: Rows | None, limit_mib: float
) -> pyarrow.Table:
    """The rows of a text file, all or those of one recording; cells that are empty are null.

    Raises:
      RejectedInputError: if they are damaged, or too large.
    """
    start, stop = rows or (layout.start, _size(file))
    require_size("its text", stop - start, "max_record_mib", limit_mib)
    most = int(limit_mib * 2**20) + 1  # What is packed does not say its size.
    with reading("pyarrow"):
        file.seek(start)
        content = pyarrow.py_buffer(file.read(stop - start if stop else most))
        require_size("its text", content.size, "max_record_mib", limit_mib)
        if not content.size:
            return pyarrow.table({name: pyarrow.array([], "float32") for name in layout.named})
        return _parsed(content, layout, layout.named)


def mostly_numbers(table: pyarrow.Table, names: Iterable[str]) -> Iterator[str]:
    """Those of some columns of text of which most cells are numbers, written in any way."""
    for name in names:
        column = table.column(name)
        if not pyarrow.types.is_string(column.type):
            continue
        is_given = pyarrow.compute.invert(pyarrow.compute.is_in(column, pyarrow.array(_NULLS)))
        are_numbers = pyarrow.compute.match_substring_regex(column.filter(is_given), _NUMBER)
        if 2 * (pyarrow.compute.sum(are_numbers).as_py() or 0) > len(are_numbers):
            yield name


def text_ids(file: IO[bytes], layout: Layout, index: int) -> Iterator[tuple[str, int, int]]:
    """The text in one column, and from which byte to which there are rows with it.

    Raises:
      RejectedInputError: if the file is damaged.
    """
    column = layout.named[index]
    file.seek(layout.start)
    for offset, block in _whole_lines(file, layout.start):
        letters = np.frombuffer(block, np.uint8)
        ends = np.flatnonzero(letters == ord("\n")) + 1
        ends = ends if block.endswith(b"\n") else np.append(ends, len(block))
        starts = np.concatenate([[0], ends[:-1]])
        are_rows = ~_are_empty(letters[starts], ends - starts)
        starts, ends = starts[are_rows], ends[are_rows]
        if not len(starts):
            continue
        cells = _parsed(pyarrow.py_buffer(block), layout, [column], as_text=True).column(0)
        if len(cells) != len(starts):
            raise RejectedInputError("a cell of it has a line break; write the table without")
        trimmed = pyarrow.compute.utf8_trim_whitespace(cells).combine_chunks()
        for name, first, last in runs_of(trimmed):
            yield name or "", offset + int(starts[first]), offset + int(ends[last - 1])


def runs_of(cells: pyarrow.Array) -> Iterator[tuple[Any, int, int]]:
    """Each value of a column, and the first and the end of the rows that have it together."""
    encoded = cells if pyarrow.types.is_dictionary(cells.type) else cells.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    edges = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
    for first, last in itertools.pairwise(edges):
        if first < last:
            code = int(codes[first])
            yield None if code < 0 else encoded.dictionary[code].as_py(), first, last


def _are_empty(first: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Which lines hold nothing, by their first letters and their bytes."""
    return ((sizes == 1) & (first == ord("\n"))) | ((sizes == 2) & (first == ord("\r")))


def _parsed(
    content: pyarrow.Buffer, layout: Layout, names: list[str], *, as_text: bool = False
) -> pyarrow.Table:
    unnamed = (name or f"\0{number}" for number, name in enumerate(layout.names))
    return pyarrow.csv.read_csv(
        pyarrow.BufferReader(content),
        pyarrow.csv.ReadOptions(column_names=[*unnamed]),
        pyarrow.csv.ParseOptions(delimiter=layout.delimiter),
        pyarrow.csv.ConvertOptions(
            null_values=_NULLS,
            include_columns=names,
            decimal_point=layout.decimal_point,
            column_types={name: pyarrow.string() for name in names} if as_text else None,
        ),
    )


def _whole_lines(file: IO[bytes], start: int) -> Iterator[tuple[int, bytes]]:
    """A file from a byte on, in blocks of whole lines, each with its first byte's place."""
    rest = b""
    while block := file.read(_BLOCK_BYTES):
        block = rest + block
        end = block.rfind(b"\n") + 1
        rest = block[end:]
        if len(rest) >= _MAX_LINE_BYTES:
            raise _no_table()
        if end:
            yield start, block[:end]
        start += end
    if rest:
        yield start, rest


def _line(file: IO[bytes]) -> bytes:
    line = file.readline(_MAX_LINE_BYTES)
    if len(line) == _MAX_LINE_BYTES:
        raise _no_table()
    return line


def _no_table() -> RejectedInputError:
    return RejectedInputError(f"a line has {_MAX_LINE_BYTES} bytes or more; it is no table")


def _decoded(line: bytes) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RejectedInputError(
            f"its first line is no UTF-8 (byte {error.object[error.start]:#x}); save it as that"
        ) from error


def _size(file: IO[bytes]) -> int:
    """Bytes of a file; 0 of one that is packed."""
    if isinstance(file, gzip.GzipFile):
        return 0
    with reading("Python"):
        return file.seek(0, io.SEEK_END)

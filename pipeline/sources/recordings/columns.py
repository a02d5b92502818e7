"""CSV and Parquet as columns: whole files, or the rows of one recording in a long table."""

import csv
import functools
import io
from collections.abc import Iterable, Iterator
from typing import IO, Any, NamedTuple

import pyarrow
import pyarrow.csv
import pyarrow.parquet

from pipeline.console.errors import RejectedInputError
from pipeline.sources.files import Files
from pipeline.sources.grouping import text_of
from pipeline.sources.options import require_size
from pipeline.sources.outside.table import delimiter_of
from pipeline.sources.recordings.libraries import open_file, reading

PARQUET = (".parquet", ".pq")
_MAX_LINE_BYTES = 1 << 20
_VALUE_BYTES = 8
_NULLS = ["", "NA", "N/A", "NaN", "nan"]  # Of numbers; as a text each is what it is.


class Rows(NamedTuple):
    """Where the rows of one recording are: bytes of a text file, row numbers of a Parquet file."""

    start: int
    stop: int


class Layout(NamedTuple):
    """How text files are written.

    Attributes:
      names: of the columns.
      delimiter: between cells.
      start: byte at which the rows begin.
    """

    names: tuple[str, ...]
    delimiter: str
    start: int


def layout_of(file: IO[bytes], path: str, has_header: bool) -> Layout:
    """How a text file is written, by its first line.

    Raises:
      RejectedInputError: if that has no names.
    """
    with reading("Python"):
        file.seek(0)
        line = _line(file)
        first = line.decode("utf-8-sig")
        delimiter = "\t" if path.lower().endswith(".tsv") else delimiter_of(first)
        cells = next(csv.reader([first], delimiter=delimiter), [])
    names = [cell.strip() for cell in cells]
    if not has_header:
        return Layout(tuple(map(str, range(len(names)))), delimiter, 0)
    if not names or "" in names or len({*names}) < len(names):
        raise RejectedInputError(
            "its first line has no name for each column, each once; add it, or use --nohas_header"
        )
    return Layout(tuple(names), delimiter, len(line))


def read_text(
    file: IO[bytes], layout: Layout, rows: Rows | None, limit_mib: float
) -> pyarrow.Table:
    """The rows of a text file, all or those of one recording; cells that are empty are null.

    Raises:
      RejectedInputError: if they are damaged, or too large.
    """
    with reading("pyarrow"):
        stop = file.seek(0, io.SEEK_END) if rows is None else rows.stop
    start = layout.start if rows is None else rows.start
    require_size("its text", stop - start, "max_record_mib", limit_mib)
    with reading("pyarrow"):
        file.seek(start)
        content = pyarrow.py_buffer(file.read(stop - start))
        if not content.size:
            return pyarrow.table({name: pyarrow.array([], "float32") for name in layout.names})
        return pyarrow.csv.read_csv(
            pyarrow.BufferReader(content),
            pyarrow.csv.ReadOptions(column_names=[*layout.names]),
            pyarrow.csv.ParseOptions(delimiter=layout.delimiter),
            pyarrow.csv.ConvertOptions(null_values=_NULLS),
        )


def read_parquet(
    file: pyarrow.parquet.ParquetFile, rows: Rows | None, limit_mib: float
) -> pyarrow.Table:
    """Columns of a Parquet file, of all rows or those of one recording.

    Raises:
      RejectedInputError: if they are damaged, or too large.
    """
    start, stop = rows or (0, file.metadata.num_rows)
    groups: list[tuple[int, int]] = []
    first, begin = 0, 0
    for number in range(file.num_row_groups):
        size = file.metadata.row_group(number).num_rows
        if begin < stop and begin + size > start:
            first = begin if not groups else first
            groups.append((number, size))
        begin += size
    values = sum(size for _, size in groups) * file.metadata.num_columns
    require_size("its rows", values * _VALUE_BYTES, "max_record_mib", limit_mib)
    with reading("pyarrow"):
        table = file.read_row_groups([number for number, _ in groups])
        return table.slice(start - first, stop - start)


@functools.lru_cache(maxsize=16)
def find_recordings(
    files: Files, place: str, version: str, column: str, has_header: bool
) -> dict[str, Rows | None]:
    """The recordings of a long table; None for one whose rows are not together.

    It is read once a process, one line or row group at a time.

    Args:
      files: where it is.
      place: full path.
      version: its fingerprint.
      column: what says which recording a row is of.
      has_header: of text, whether the first line has the names.

    Raises:
      RejectedInputError: if it is damaged, or has no such column.
    """
    del version
    found: dict[str, Rows | None] = {}
    with open_file(files, place) as file, reading("Python"):
        is_parquet = place.lower().endswith(PARQUET)
        read = (
            _parquet_ids(file, column) if is_parquet else _text_ids(file, place, column, has_header)
        )
        for name, rows in _runs(read):
            found[name] = None if name in found else rows
    return found


def _runs(rows: Iterable[tuple[str, int, int]]) -> Iterator[tuple[str, Rows]]:
    """Rows that follow each other under one name, as one."""
    name, start, stop = None, 0, 0
    for other, begin, end in rows:
        if other != name:
            if name is not None:
                yield name, Rows(start, stop)
            name, start = other, begin
        stop = end
    if name is not None:
        yield name, Rows(start, stop)


def _text_ids(
    file: IO[bytes], place: str, column: str, has_header: bool
) -> Iterator[tuple[str, int, int]]:
    layout = layout_of(file, place, has_header)
    index = _index(layout.names, column)
    file.seek(layout.start)
    begin, delimiter = layout.start, layout.delimiter.encode()
    while line := _line(file):
        end = begin + len(line)
        if line.strip():
            yield _cell(line, index, delimiter), begin, end
        begin = end


def _cell(line: bytes, index: int, delimiter: bytes) -> str:
    if b'"' in line:
        cells = next(csv.reader([line.decode()], delimiter=delimiter.decode()))
    else:
        cells = line.decode().rstrip("\r\n").split(delimiter.decode())
    if index >= len(cells):
        raise RejectedInputError(f"a line has {len(cells)} cells, too few; repair the table")
    return cells[index].strip()


def _parquet_ids(file: IO[bytes], column: str) -> Iterator[tuple[str, int, int]]:
    content = pyarrow.parquet.ParquetFile(file)
    _index(content.schema_arrow.names, column)
    row = 0
    for batch in content.iter_batches(columns=[column]):
        for value in batch.column(0).to_pylist():
            yield "" if value is None else text_of(value), row, row + 1
            row += 1


def _index(names: Iterable[str], column: str) -> int:
    found = [*names]
    if column not in found:
        raise RejectedInputError(
            f"no column {column!r} (--recording_column); it has {', '.join(found)}"
        )
    return found.index(column)


def _line(file: IO[bytes]) -> bytes:
    line = file.readline(_MAX_LINE_BYTES)
    if len(line) == _MAX_LINE_BYTES:
        raise RejectedInputError(f"a line has {_MAX_LINE_BYTES} bytes or more; it is no table")
    return line


def values_of(table: pyarrow.Table, name: str) -> Any:
    """A column as a NumPy array; null is NaN in numbers, and None in text."""
    column = table.column(name)
    if pyarrow.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.to_numpy()

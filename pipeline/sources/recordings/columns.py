"""CSV and Parquet as columns: whole files, or the rows of one recording in a long table."""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO

import numpy as np
import pyarrow
import pyarrow.parquet

from pipeline.console.errors import RejectedInputError
from pipeline.sources.files import Files
from pipeline.sources.grouping import text_of
from pipeline.sources.options import require_size
from pipeline.sources.recordings.libraries import open_file, reading
from pipeline.sources.recordings.text_columns import Rows, layout_of, runs_of, text_ids

PARQUET = (".parquet", ".pq")
_VALUE_BYTES, _BATCH_ROWS = 8, 1 << 16
_BUFFER_BYTES = 1 << 20  # Of each column; else those of a row group are in memory, packed.


class Columns:
    """The columns of a recording; a column is read when it is asked for.

    Attributes:
      names: in the file's order.
      rows: how many there are.
    """

    def __init__(
        self, schema: pyarrow.Schema, rows: int, read: Callable[[Sequence[str]], pyarrow.Table]
    ):
        self.names: Sequence[str] = schema.names
        self.rows = rows
        self._types = {
            name: _plain(type_) for name, type_ in zip(schema.names, schema.types, strict=True)
        }
        self._read = read
        self._values: dict[str, np.ndarray] = {}
        if len(self._types) < len(self.names):
            raise RejectedInputError("two of its columns have one name; rename one of them")

    def __contains__(self, name: str) -> bool:
        return name in self._types

    def __getitem__(self, name: str) -> np.ndarray:
        """A column `[rows]`; see `values_of`."""
        self.load([name])
        return self._values[name]

    def load(self, names: Iterable[str]) -> None:
        """Reads columns at once."""
        if missing := [name for name in names if name not in self._values]:
            table = self._read(missing)
            if table.num_rows != self.rows:
                raise RejectedInputError(
                    f"it has {table.num_rows} rows, its header says {self.rows}; write it again"
                )
            self._values.update({name: values_of(table, name) for name in missing})

    def is_number(self, name: str) -> bool:
        """Whether a column holds numbers."""
        return _is_number(self._types[name])


def parquet_file(file: IO[bytes]) -> pyarrow.parquet.ParquetFile:
    """Opens a Parquet file.

    Raises:
      RejectedInputError: if it is damaged.
    """
    with reading("pyarrow"):
        return pyarrow.parquet.ParquetFile(file, buffer_size=_BUFFER_BYTES)


def parquet_columns(
    file: pyarrow.parquet.ParquetFile, rows: Rows | None, limit_mib: float
) -> Columns:
    """Columns of a Parquet file, of all rows or those of one recording.

    Raises:
      RejectedInputError: if they are too large; when they are read, if they are damaged.
    """
    start, stop = rows or Rows(0, file.metadata.num_rows)
    values = (stop - start) * file.metadata.num_columns
    require_size("its rows", values * _VALUE_BYTES, "max_record_mib", limit_mib)
    return Columns(
        file.schema_arrow, stop - start, lambda names: _read_parquet(file, start, stop, names)
    )


def _read_parquet(
    file: pyarrow.parquet.ParquetFile, start: int, stop: int, names: Sequence[str]
) -> pyarrow.Table:
    """Rows of some columns; of the rows before them in their row group a few are in memory."""
    begin, groups = _groups(file, start, stop)
    pieces = []
    with reading("pyarrow"):
        batches = file.iter_batches(_BATCH_ROWS, row_groups=groups, columns=[*names])
        for batch in batches if groups else ():
            low, high = max(start - begin, 0), min(stop - begin, len(batch))
            if low < high:
                pieces.append(batch.slice(low, high - low))
            begin += len(batch)
            if begin >= stop:
                break
        schema = pyarrow.schema([file.schema_arrow.field(name) for name in names])
        return pyarrow.Table.from_batches(pieces, pieces[0].schema if pieces else schema)


def _groups(file: pyarrow.parquet.ParquetFile, start: int, stop: int) -> tuple[int, list[int]]:
    """The row groups that have some of the rows, and the first row in them."""
    sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    edges = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    found = np.flatnonzero((edges[:-1] < stop) & (edges[1:] > start))
    return (int(edges[found[0]]), found.tolist()) if len(found) else (0, [])


@functools.lru_cache(maxsize=16)
def find_recordings(
    files: Files, place: str, version: str, column: str, has_header: bool, decimal_comma: bool
) -> dict[str, Rows | None]:
    """The recordings of a long table; None for one whose rows are not together.

    It is read once a process, a block or some rows at a time.

    Args:
      files: where it is.
      place: full path.
      version: its fingerprint.
      column: what says which recording a row is of.
      has_header: of text, whether the first line has the names.
      decimal_comma: of text, whether numbers are written so.

    Raises:
      RejectedInputError: if it is damaged, or has no such column.
    """
    del version
    found: dict[str, Rows | None] = {}
    is_parquet = place.lower().endswith(PARQUET)
    with open_file(files, place) as file, reading("pyarrow"):
        if is_parquet:
            read = _parquet_ids(parquet_file(file), column)
        else:
            layout = layout_of(file, place, has_header, decimal_comma)
            read = text_ids(file, layout, _index(layout.named, column))
        for name, rows in _joined(read):
            found[name] = None if name in found else rows
    return found


def _joined(rows: Iterable[tuple[str, int, int]]) -> Iterator[tuple[str, Rows]]:
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


def _parquet_ids(
    content: pyarrow.parquet.ParquetFile, column: str
) -> Iterator[tuple[str, int, int]]:
    _index(content.schema_arrow.names, column)
    row = 0
    for batch in content.iter_batches(_BATCH_ROWS, columns=[column]):
        for value, first, last in runs_of(batch.column(0)):
            yield "" if value is None else text_of(value), row + first, row + last
        row += len(batch)


def _index(names: Iterable[str], column: str) -> int:
    found = [*names]
    if column not in found:
        raise RejectedInputError(
            f"no column {column!r} (--recording_column); it has {', '.join(found)}"
        )
    return found.index(column)


def values_of(table: pyarrow.Table, name: str) -> np.ndarray:
    """A column as a NumPy array; null is NaN in numbers, and None in text."""
    column = table.column(name)
    type_ = _plain(column.type)
    if pyarrow.types.is_decimal(type_):
        type_ = pyarrow.float64()
    elif pyarrow.types.is_boolean(type_) and column.null_count:
        type_ = pyarrow.uint8()
    elif pyarrow.types.is_time(type_):  # Of day, as a duration.
        whole = pyarrow.int32() if type_.bit_width == 32 else pyarrow.int64()
        column, type_ = column.cast(whole), pyarrow.duration(type_.unit)
        column = column.cast(pyarrow.int64())
    return column.cast(type_).to_numpy()


def _plain(type_: pyarrow.DataType) -> pyarrow.DataType:
    """The type of values, also where there is a dictionary of them."""
    return type_.value_type if pyarrow.types.is_dictionary(type_) else type_


def _is_number(type_: pyarrow.DataType) -> bool:
    is_kind = pyarrow.types
    kinds = (is_kind.is_integer, is_kind.is_floating, is_kind.is_boolean, is_kind.is_decimal)
    return any(is_this(type_) for is_this in kinds)

"""A table with a row for every input: CSV, TSV, JSON lines or Parquet.

Cells of text tables have the type that all of their column have: whole numbers, else numbers, else
text. Nothing in a cell is evaluated.
"""

import csv
import functools
import io
import itertools
import json
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any, NamedTuple

from pipeline.console.errors import UsageError, printable
from pipeline.sources.files import Files
from pipeline.sources.grouping import text_of
from pipeline.sources.names import normal

_MAX_BYTES = 512 << 20
_MAX_ROWS = 10_000_000  # A Parquet file of a few kB can announce any number.
_WHOLE_NUMBER = re.compile(r"0|-?[1-9]\d{0,17}")
IDS = ("file_name", "filename", "file", "path", "id", "name")
LABELS = ("label", "y", "class", "target", "category")


class Columns(NamedTuple):
    """Which columns of a table are what, as the options name them; empty where they do not."""

    id: str = ""
    labels: tuple[str, ...] = ()
    group: str = ""
    split: str = ""


class Row(NamedTuple):
    """What a table says of one input; None where it says nothing."""

    number: int
    key: str
    labels: tuple[Any, ...]
    group: str | None
    split: str | None


class Table:
    """Rows by the key of the input that they are for.

    Attributes:
      path: of the file.
      rows: those with an id; their numbers begin behind the header, with 1.
      label_columns: none if the table has no labels.
    """

    def __init__(self, path: str, label_columns: tuple[str, ...], rows: list[Row]):
        self.path = path
        self.label_columns = label_columns
        self.rows = rows
        self._by_key: dict[str, list[int]] = {}
        for index, row in enumerate(rows):
            self._by_key.setdefault(row.key, []).append(index)

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return posixpath.basename(self.path)

    def find(self, keys: Iterable[str]) -> list[int]:
        """Indexes of the rows for an input: those of the first key that there is."""
        return next((self._by_key[key] for key in keys if key in self._by_key), [])


@functools.lru_cache(maxsize=64)
def read_table(files: Files, path: str, columns: Columns, needs_label: bool) -> Table:
    """Reads a table once a process.

    Args:
      files: where it is.
      path: the file; its suffix says what it is.
      columns: which columns are what.
      needs_label: whether it is asked for labels.

    Raises:
      UsageError: if it is missing, damaged, too large, or a column is.
    """
    has_header = not columns.id.isdigit()
    header, cells = read_columns(files, path, has_header=has_header)
    if not has_header and columns.id in (str(column[0]) for column in cells):
        header, cells = read_columns(files, path)
    return _table(path, header, cells, columns, needs_label)


def read_columns(
    files: Files, path: str, *, has_header: bool = True
) -> tuple[list[str], list[list[Any]]]:
    """Names and cells of a table's columns; what is empty is None.

    Args:
      files: where it is.
      path: the file.
      has_header: whether text begins with names of columns; else they are 0, 1, ...

    Raises:
      UsageError: if it is missing, damaged or too large.
    """
    name = posixpath.basename(path)
    suffix = posixpath.splitext(path)[1].lower()
    if suffix not in _READERS:
        raise UsageError(f"{name}: tables end in {', '.join(_READERS)}; save it as one of them")
    try:
        with files.open(path) as file:
            size = file.seek(0, io.SEEK_END)
            if size > _MAX_BYTES:
                raise UsageError(f"{name} has {size} bytes, a table at most {_MAX_BYTES}; split it")
            file.seek(0)
            header, cells = _READERS[suffix](file, name, has_header)
    except UsageError:
        raise
    except FileNotFoundError as error:
        raise UsageError(f"there is no table {printable(path)}; check its path") from error
    except (OSError, ValueError, csv.Error, RecursionError) as error:
        text = " ".join(str(error).split())
        raise UsageError(
            f"the table {printable(path)} cannot be read ({text}); repair it"
        ) from error
    return header, cells


def _table(
    path: str, header: list[str], cells: list[list[Any]], columns: Columns, needs_label: bool
) -> Table:
    name = posixpath.basename(path)
    named = [("id", columns.id), *(("label", column) for column in columns.labels)]
    for flag, column in (*named, ("group", columns.group), ("split", columns.split)):
        if column and column not in header:
            raise UsageError(
                f"{name} has no column {column!r} (--{flag}_column); it has {', '.join(header)}"
            )
    id_column = columns.id or next((c for c in IDS if c in header), header[0])
    taken = {id_column, columns.group, columns.split}
    label_columns = columns.labels if needs_label else ()
    if needs_label and not label_columns:
        label_columns = _label_column(name, [c for c in header if c not in taken])
    empty = itertools.repeat(None)

    def of(column: str) -> Iterable[Any]:
        return cells[header.index(column)] if column else empty

    ids = of(id_column)
    labels = zip(*map(of, label_columns), strict=True) if label_columns else itertools.repeat(())
    groups, splits = map(_text, of(columns.group)), map(_text, of(columns.split))
    lines = enumerate(zip(ids, labels, groups, splits, strict=False), 1)
    rows = [
        Row(number, key_of(value), of_row, group, split)
        for number, (value, of_row, group, split) in lines
        if value is not None
    ]
    return Table(path, label_columns, rows)


def _label_column(name: str, others: list[str]) -> tuple[str, ...]:
    found = [column for column in others if column.lower() in LABELS]
    if len(found or others) > 1:
        raise UsageError(
            f"{name}: any of the columns {', '.join(others)} could be the label; name it with "
            "--label_column, or use --label_kind=none"
        )
    return tuple(found or others)


def key_of(value: Any) -> str:
    """A cell of the column of ids as the key of an input."""
    path = posixpath.normpath(str(_text(value)).strip().replace("\\", "/"))
    return normal(path)


def _text(value: Any) -> str | None:
    return None if value is None or value != value else text_of(value)


def _read_text(
    file: IO[bytes], name: str, has_header: bool, delimiter: str
) -> tuple[list[str], list[list[Any]]]:
    """Columns of a text table; cells that are empty are None."""
    with io.TextIOWrapper(io.BytesIO(file.read()), "utf-8-sig", newline="") as text:
        first = text.readline()
        if delimiter == ",":
            delimiter = delimiter_of(first)
        lines = csv.reader(itertools.chain([first], text), delimiter=delimiter, strict=True)
        header = next(lines, [])
        rows: Iterable[list[str]] = lines
        if has_header:
            _require_header(header, name)
        else:
            rows = itertools.chain([header], lines)
            header = [*map(str, range(len(header)))]
        cells: list[list[str]] = [[] for _ in header]
        for row in rows:
            if row and len(row) != len(header):
                raise ValueError(
                    f"line {lines.line_num} has {len(row)} cells, the first line {len(header)}"
                )
            for column, cell in zip(cells, row, strict=False):
                column.append(cell)
    return header, [_typed(column) for column in cells]


def delimiter_of(first_line: str) -> str:
    """What stands between the cells of a CSV file: comma, semicolon, tab or bar."""
    return max(",;\t|", key=first_line.count)


def _require_header(header: list[str], name: str) -> None:
    if not header or len({*header}) < len(header):
        raise ValueError(f"{name} has no first line with a name for each column, each once")


def _typed(cells: list[str]) -> list[Any]:
    present = [cell for cell in cells if cell]
    kind: Callable[[str], Any] = str
    if all(map(_WHOLE_NUMBER.fullmatch, present)):
        kind = int
    elif all(map(_is_number, present)):
        kind = float
    return [kind(cell) if cell else None for cell in cells]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return not _has_leading_zero(cell)


def _has_leading_zero(cell: str) -> bool:
    """As codes have it, 007; a number would lose it."""
    return bool(re.match(r"-?0\d", cell))


def _read_json(file: IO[bytes], name: str, _: bool) -> tuple[list[str], list[list[Any]]]:
    rows: list[Mapping[str, Any]] = []
    for number, line in enumerate(file.read().splitlines(), 1):
        if line.strip():
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError(f"line {number} is no object")
            rows.append(row)
    header = [*dict.fromkeys(itertools.chain.from_iterable(rows))]
    _require_header(header, name)
    return header, [[row.get(column) for row in rows] for column in header]


def _read_parquet(file: IO[bytes], name: str, _: bool) -> tuple[list[str], list[list[Any]]]:
    import pyarrow.parquet

    content = pyarrow.parquet.ParquetFile(io.BytesIO(file.read()))
    if content.metadata.num_rows > _MAX_ROWS:
        raise ValueError(f"{content.metadata.num_rows} rows, a table has at most {_MAX_ROWS}")
    header = content.schema_arrow.names
    _require_header(header, name)
    return header, [column.to_pylist() for column in content.read().columns]


_READERS: Mapping[str, Callable[[IO[bytes], str, bool], tuple[list[str], list[list[Any]]]]] = {
    ".csv": functools.partial(_read_text, delimiter=","),
    ".tsv": functools.partial(_read_text, delimiter="\t"),
    ".jsonl": _read_json,
    ".parquet": _read_parquet,
}


def keys_of(path: str, record_id: str, folder: str = "") -> Iterator[str]:
    """What a table may call an input, the fullest name first.

    Args:
      path: its relative path.
      record_id: its id.
      folder: relative folder of the table, which paths in it begin from.
    """
    for name in (path, record_id):
        yield normal(posixpath.relpath(name, folder or "."))
    for name in (path, record_id):
        yield normal(posixpath.basename(name))

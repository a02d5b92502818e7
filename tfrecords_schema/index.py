"""The record index: one row per record, in Parquet, in the order of the shards.

Planning needs 16 bytes a record (steps, shard, offset), which are mapped from files where they are
very many; names stay on disk until somebody asks for them.
"""

import contextlib
import dataclasses
import itertools
import reprlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import tensorflow as tf

from tfrecords_schema.errors import DatasetError
from tfrecords_schema.names import UNLABELLED
from tfrecords_schema.places import gfile
from tfrecords_schema.shared_arrays import GrowingArray, joined_arrays
from tfrecords_schema.storage import remove

INDEX_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("group", pa.string()),
        ("split", pa.string()),
        ("shard", pa.int32()),
        ("offset", pa.int64()),
        ("size_bytes", pa.int64()),
        ("steps", pa.int32()),
        ("label_steps", pa.int32()),
        ("source", pa.string()),
        ("label", pa.string()),
    ]
)
_SPLIT_COLUMN = INDEX_SCHEMA.get_field_index("split")
_ROWS_PER_GROUP = 16_384
_MOST_BYTES_A_ROW = 1 << 14  # Four names of up to 1,000 characters.
_ROWS_AT_ONCE = 4096  # As Python objects, of some 1 kB each.


@dataclasses.dataclass(frozen=True, slots=True)
class IndexRow:
    """Where one record is and what it holds.

    Attributes:
      id: id of the record, unique in the dataset.
      group: records of one group are always in one split.
      split: name of the split.
      shard: number of the shard within the split.
      offset: byte at which the record's framing starts in the shard.
      size_bytes: bytes of the record with its framing.
      steps: valid time steps of the input.
      label_steps: time steps of a label with a time axis of its own, else 0.
      source: path of the source file relative to the input folder.
      label: short summary of the label, for people.
    """

    id: str
    group: str
    split: str
    shard: int
    offset: int
    size_bytes: int
    steps: int
    label_steps: int
    source: str
    label: str


def write_index(
    path: str, rows: Iterable[IndexRow], metadata: dict[str, str] | None = None
) -> None:
    """Streams rows to a Parquet file at `path` (any path of `gfile`)."""
    schema, rest = INDEX_SCHEMA.with_metadata(metadata or {}), iter(rows)
    remove(path)
    with gfile.open_file(path, "wb") as file, pq.ParquetWriter(file, schema) as writer:
        while chunk := list(itertools.islice(rest, _ROWS_PER_GROUP)):
            columns = {name: [getattr(row, name) for row in chunk] for name in schema.names}
            writer.write_table(pa.table(columns, schema))


def merge_indexes(path: str, parts: Iterable[str]) -> None:
    """Writes the rows of index files, in order, to one at `path`, without their metadata."""
    held = INDEX_SCHEMA.empty_table()
    remove(path)
    with gfile.open_file(path, "wb") as file, pq.ParquetWriter(file, INDEX_SCHEMA) as writer:
        for batch in itertools.chain.from_iterable(map(_batches, parts)):
            held = pa.concat_tables([held, pa.Table.from_batches([batch], INDEX_SCHEMA)])
            if len(held) >= _ROWS_PER_GROUP:
                writer.write_table(held.slice(0, _ROWS_PER_GROUP))
                held = held.slice(_ROWS_PER_GROUP)
        if len(held):
            writer.write_table(held)


def groups_in(path: str) -> Iterator[str]:
    """The groups in an index file; some may come several times."""
    for batch in _batches(path, ["group"]):
        yield from pc.unique(batch["group"]).to_pylist()


def splits_of_groups(path: str) -> Iterator[tuple[str, str]]:
    """The groups in an index file, each with its split; some may come several times."""
    for batch in _batches(path, ["group", "split"]):
        columns = (batch[name].to_pylist() for name in ("group", "split"))
        yield from dict.fromkeys(zip(*columns, strict=True))


def read_rows(path: str) -> Iterator[IndexRow]:
    """Yields the rows of an index file in order, some thousands in memory at a time."""
    for batch in _batches(path):
        for start in range(0, len(batch), _ROWS_AT_ONCE):
            for row in batch.slice(start, _ROWS_AT_ONCE).to_pylist():
                yield IndexRow(**row)


def _batches(path: str, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    with _opened(path) as rows:
        # Threads would each keep what they once allocated.
        for batch in rows.iter_batches(_ROWS_PER_GROUP, columns=columns, use_threads=False):
            yield _whole(path, batch.replace_schema_metadata(None))


def count_rows(path: str) -> int:
    """Number of rows of an index file, of which none is read.

    Raises:
      DatasetError: if it says that it unpacks to more than names of a record may take.
    """
    with _opened(path) as rows:
        found = rows.metadata
        groups = map(found.row_group, range(found.num_row_groups))
        if sum(group.total_byte_size for group in groups) > _MOST_BYTES_A_ROW * found.num_rows:
            raise _damaged(path, "it unpacks to more than there is to say of so many records")
        return found.num_rows


def read_metadata(path: str) -> dict[str, str]:
    """Reads the key-value metadata that `write_index` stored."""
    with _opened(path) as rows:
        stored = rows.schema_arrow.metadata or {}
    return {key.decode(): value.decode() for key, value in stored.items()}


def group_totals(path: str) -> pa.Table:
    """Records and steps of each group, the groups with the most records first.

    Returns:
      Columns `group`, `split`, `records` and `steps`; a group in two splits has two rows.
    """
    with _opened(path) as rows:
        table = _whole(path, rows.read(["group", "split", "steps"]))
    totals = table.group_by(["group", "split"]).aggregate([("steps", "count"), ("steps", "sum")])
    totals = totals.rename_columns({"steps_count": "records", "steps_sum": "steps"})
    return totals.sort_by([("records", "descending"), ("group", "ascending")])


def shared_groups(totals: pa.Table) -> int:
    """How many groups are in more than one split that is learned from or measured on.

    Args:
      totals: from `group_totals`.
    """
    labelled = totals.filter(pc.not_equal(totals["split"], UNLABELLED))
    splits = labelled.group_by("group").aggregate([("split", "count")])["split_count"].to_numpy()
    return int((splits > 1).sum())


@contextlib.contextmanager
def _opened(path: str) -> Iterator[pq.ParquetFile]:
    """An index file; its rows are read while it is open.

    Raises:
      DatasetError: if it cannot be read, or has other columns.
    """
    try:
        with gfile.open_file(path, "rb") as file:
            rows = pq.ParquetFile(file)
            if rows.schema_arrow.equals(INDEX_SCHEMA):  # Whatever its metadata.
                yield rows
                return
            problem = f"it has the columns {reprlib.repr(rows.schema_arrow.names)}"
    except (pa.ArrowException, OSError, tf.errors.OpError) as error:  # It may be gone by now.
        problem = str(error)
    raise _damaged(path, problem)


def _whole(path: str, rows: Any) -> Any:
    rows.validate(full=True)  # Text that is no UTF-8, too, of which Python's own decoder dies.
    if any(column.null_count for column in rows.columns):
        raise _damaged(path, "it has rows with nothing in them")
    return rows


def _damaged(path: str, problem: str) -> DatasetError:
    return DatasetError(
        f"{path} is no index of records ({problem}); copy it again, or convert again with "
        "--overwrite"
    )


class SplitIndex:
    """The records of one split, in the order of the shards.

    Attributes:
      steps: `[records]` int32, valid time steps.
      shard: `[records]` int32, shard number within the split.
      offset: `[records]` int64, byte offset within the shard.
    """

    def __init__(self, index_path: str, split: str):
        self._index_path = index_path
        self._split = split
        numbers = self._read_numbers(("steps", "shard", "offset"))
        self.steps, self.shard, self.offset = numbers

    def __len__(self) -> int:
        return len(self.steps)

    def label_steps(self) -> np.ndarray:
        """`[records]` int32: time steps of labels that have a time axis of their own."""
        return self._read_numbers(("label_steps",))[0]

    def ids(self, rows: Sequence[int] | None = None) -> list[str]:
        """Ids of the records, or of those in some rows."""
        return self._names("id", rows)

    def groups(self) -> list[str]:
        """Group of each record."""
        return self._column("group").to_pylist()

    def each_group(self) -> Iterator[str]:
        """The groups; one of very many records comes several times."""
        return itertools.chain.from_iterable(names for names, _ in self._encoded_groups())

    def group_numbers(self) -> np.ndarray:
        """`[records]` int32: a number for each group, from 0 in order of their first records."""
        known: dict[str, int] = {}

        def numbers(names: list[str], places: np.ndarray) -> np.ndarray:
            return np.array([known.setdefault(name, len(known)) for name in names])[places]

        parts = itertools.starmap(numbers, self._encoded_groups())
        return joined_arrays(parts, len(self), np.int32)

    def _encoded_groups(self) -> Iterator[tuple[list[str], np.ndarray]]:
        """The groups of some thousands of records, each once, and the place there of each's."""
        for table in self._of_row_groups(["group"]):
            groups = table["group"].combine_chunks().dictionary_encode()
            yield groups.dictionary.to_pylist(), groups.indices.to_numpy()

    def sources(self, rows: Sequence[int] | None = None) -> list[str]:
        """Source path of each record, or of those in some rows, relative to the input folder."""
        return self._names("source", rows)

    def labels(self) -> list[str]:
        """Label summary of each record."""
        return self._column("label").to_pylist()

    def _read_numbers(self, names: tuple[str, ...]) -> list[np.ndarray]:
        """Columns without missing values, a row group at a time.

        Reading them as one table left 94 MB resident for a million records, this leaves 28.
        """
        most = count_rows(self._index_path)
        columns = {name: GrowingArray(most, str(INDEX_SCHEMA.field(name).type)) for name in names}
        for table in self._of_row_groups([*names]):
            for name, column in columns.items():
                column.append(table[name].to_numpy())
        # Arrow keeps what it decoded into for its next file: 10 MB of a million records.
        pa.default_memory_pool().release_unused()
        return [column.array() for column in columns.values()]

    def _of_row_groups(self, names: list[str]) -> Iterator[pa.Table]:
        """Columns of the split, of one row group that has some after the other."""
        with _opened(self._index_path) as rows:
            for group in range(rows.num_row_groups):
                of_column = rows.metadata.row_group(group).column(_SPLIT_COLUMN).statistics
                is_known = of_column is not None and of_column.has_min_max
                name = self._split.encode()  # Text of a damaged file may be none.
                if is_known and not of_column.min_raw <= name <= of_column.max_raw:
                    continue
                table = rows.read_row_group(group, [*names, "split"], use_threads=False)
                if len(table := self._of_split(table)):
                    yield table

    def _names(self, name: str, rows: Sequence[int] | None) -> list[str]:
        if rows is None:
            return self._column(name).to_pylist()
        wanted, found, begin = np.array(rows, np.int64), np.empty(len(rows), object), 0
        for table in self._of_row_groups([name]):
            at = wanted - begin
            inside = (at >= 0) & (at < len(table))
            found[inside] = table[name].take(at[inside]).to_pylist()
            begin += len(table)
        return found.tolist()

    def _column(self, name: str) -> pa.ChunkedArray:
        with _opened(self._index_path) as rows:
            return self._of_split(rows.read([name, "split"]))[name]

    def _of_split(self, table: pa.Table) -> pa.Table:
        table = _whole(self._index_path, table)
        return table.filter(pc.equal(table["split"], self._split))

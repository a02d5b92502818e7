"""A dataset of records that lie in the shards of another: an index and a manifest alone.

It is opened, planned, read and inspected like any other; nothing is converted or copied. So folds
of a dataset cost kilobytes, and whoever trains on one need not know.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from tfrecords_schema.dataset import Dataset, open_dataset
from tfrecords_schema.files import hash_file
from tfrecords_schema.index import IndexRow, read_rows, write_index
from tfrecords_schema.manifest import ShardEntry, SplitEntry, Statistics
from tfrecords_schema.names import INDEX, MANIFEST, REJECTS, join
from tfrecords_schema.storage import atomic_write, make_folder, replacing


@dataclasses.dataclass
class _Rows:
    """What is counted of the rows of one split."""

    records: int = 0
    steps: int = 0
    size_bytes: int = 0
    groups: set[str] = dataclasses.field(default_factory=set)
    lengths: Counter[int] = dataclasses.field(default_factory=Counter)

    def add(self, row: IndexRow) -> None:
        self.records += 1
        self.steps += row.steps
        self.size_bytes += row.size_bytes
        self.groups.add(row.group)
        self.lengths[row.steps] += 1


def write_selection(
    path: str,
    source: Dataset,
    splits: Sequence[str],
    split_of: Callable[[IndexRow], str],
    class_counts: Mapping[str, Mapping[str, int]],
    statistics: Statistics | None,
    missing_labels: Mapping[str, int] | None = None,
) -> Dataset:
    """Writes a dataset folder of some records of another, divided anew; the manifest last.

    Args:
      path: the folder.
      source: has the records; may be a selection itself.
      splits: those of `source` whose records are looked at.
      split_of: from a row of the source's index to its split here; empty leaves it out.
      class_counts: labels per class name of each new split.
      statistics: of the channels of the new training split.
      missing_labels: of each new split the labels that are not known; None for none.
    """
    counted = {name: _Rows() for name in class_counts}
    first, shards = _joined_shards(source, splits)

    def selected() -> Iterator[IndexRow]:
        for row in read_rows(join(source.path, INDEX)):
            split = split_of(row) if row.split in first else ""
            if split:
                counted[split].add(row)
                yield dataclasses.replace(row, split=split, shard=first[row.split] + row.shard)

    make_folder(path)
    with replacing(join(path, INDEX)) as temporary:
        write_index(temporary, selected())
    atomic_write(join(path, REJECTS), b"")
    entries = {
        name: SplitEntry(
            shards=shards if found.records else (),
            records=found.records,
            groups=len(found.groups),
            steps=found.steps,
            size_bytes=found.size_bytes,
            class_counts=dict(class_counts[name]),
            length_histogram=dict(found.lengths),
            missing_labels=(missing_labels or {}).get(name, 0),
        )
        for name, found in counted.items()
    }
    manifest = dataclasses.replace(
        source.manifest,
        splits=entries,
        statistics=statistics,
        rejects=0,
        left_out=(),
        files={name: hash_file(join(path, name)) for name in (INDEX, REJECTS)},
        shards_of=source.shard_folder,
    )
    atomic_write(join(path, MANIFEST), manifest.to_json().encode())
    return open_dataset(path)


def _joined_shards(
    source: Dataset, splits: Sequence[str]
) -> tuple[dict[str, int], tuple[ShardEntry, ...]]:
    """The number of each split's first shard among those of all, and all."""
    first: dict[str, int] = {}
    shards: list[ShardEntry] = []
    for name in splits:
        first[name] = len(shards)
        shards += source.manifest.splits[name].shards
    return first, tuple(shards)

"""Part files: what is known of each shard that is written, until the dataset is committed.

A part file holds its shard's index rows, and in its metadata everything else. It comes after the
shard, so a shard with one is whole, and a conversion that was killed goes on with the others.
"""

import collections
import dataclasses
import json
from collections.abc import Iterable

from pipeline.batches.channel_sums import ChannelSums
from pipeline.sources.source import Reject
from tfrecords_schema.decoding import decode, json_object
from tfrecords_schema.errors import DatasetError
from tfrecords_schema.index import IndexRow, read_metadata, read_rows, write_index
from tfrecords_schema.left_out import LeftOut
from tfrecords_schema.names import join
from tfrecords_schema.places import gfile
from tfrecords_schema.storage import replacing

_METADATA_KEY = "part"


@dataclasses.dataclass
class Part:
    """What is known of one written shard.

    Attributes:
      key: hash of everything that the shard depends on.
      split: name of the split.
      shard: number of the shard within the split.
      file: name of the shard's file.
      records: number of records.
      size_bytes: size of the file.
      sha256: hash of the file, hex.
      class_counts: number of labels per class index.
      lengths: number of records per number of steps.
      channels: moments of the training split's values.
      unnarrowed: moments of what was stored in a dtype of fewer bits, as it was.
      label_values: moments of labels that are values, as they were, by the names of heads.
      missing_labels: number of labels that are not known.
      missing_heads: the same of each of several labels, by the name of its head.
      rejects: inputs that turned out to be unusable when they were read.
      left_out: what of its records was left out or changed.
    """

    key: str
    split: str
    shard: int
    file: str
    records: int = 0
    size_bytes: int = 0
    sha256: str = ""
    class_counts: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)
    lengths: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)
    channels: ChannelSums | None = None
    unnarrowed: ChannelSums | None = None
    label_values: dict[str, ChannelSums] = dataclasses.field(default_factory=dict)
    missing_labels: int = 0
    missing_heads: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    rejects: list[Reject] = dataclasses.field(default_factory=list)
    left_out: list[LeftOut] = dataclasses.field(default_factory=list)

    @property
    def has_changed_inputs(self) -> bool:
        """Whether inputs changed while the shard was written; it is not kept for another start."""
        return any(reject.stage == "changed" for reject in self.rejects)

    def to_json(self) -> str:
        """The part as JSON text; floats keep every bit."""
        values = {
            k: dataclasses.asdict(v) if isinstance(v, ChannelSums) else v
            for k, v in vars(self).items()
        }
        values["left_out"] = [*map(dataclasses.asdict, self.left_out)]
        values["label_values"] = {k: dataclasses.asdict(v) for k, v in self.label_values.items()}
        return json.dumps(values, sort_keys=True)


def part_path(work_dir: str, split: str, shard: int) -> str:
    """Path of a shard's part file."""
    return join(work_dir, f"{split}-{shard:05d}.parquet")


def write_part(path: str, part: Part, rows: Iterable[IndexRow]) -> None:
    """Writes a part file under a temporary name, then renames it."""
    with replacing(path) as temporary:
        write_index(temporary, rows, {_METADATA_KEY: part.to_json()})


def read_part(path: str) -> Part:
    """Reads what a part file says of its shard.

    Raises:
      DatasetError: if that is not what `write_part` wrote.
    """
    try:
        return decode(Part, json_object(read_metadata(path).get(_METADATA_KEY, "")))
    except DatasetError as error:
        raise DatasetError(
            f"{path} is no part of a conversion ({error}); remove it, and convert again"
        ) from error


def find_part(path: str) -> Part | None:
    """Reads a part file that need not be there, nor whole, as after a power failure.

    Returns:
      What it says of its shard; None if any of it, or any of its rows, cannot be read.
    """
    if not gfile.exists(path):
        return None
    try:
        part = read_part(path)
        rows = sum(1 for _ in read_rows(path))
    except Exception:  # Damaged Parquet raises errors of many kinds.
        return None
    return part if rows == part.records else None

"""The manifest: what a dataset consists of. It is written last, so without it there is none."""

import dataclasses
import hashlib
import json
from typing import Any

from tfrecords_schema.errors import DatasetError
from tfrecords_schema.schema import RecordSchema

FORMAT_VERSION = 1


@dataclasses.dataclass(frozen=True)
class ShardEntry:
    """One shard file: its name, number of records, size and SHA-256 (hex)."""

    file: str
    records: int
    size_bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class SplitEntry:
    """One split: its shards and what they hold.

    Attributes:
      shards: in the order of their numbers.
      records: number of records.
      groups: number of groups.
      steps: sum of the records' time steps.
      size_bytes: sum of the shards' sizes.
      class_counts: labels per class name (steps or records, as the labels are).
      length_histogram: number of records for each number of time steps.
    """

    shards: tuple[ShardEntry, ...]
    records: int
    groups: int
    steps: int
    size_bytes: int
    class_counts: dict[str, int]
    length_histogram: dict[int, int]


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Per channel (last axis) over all values of the training split.

    Attributes:
      mean: means.
      deviation: population standard deviations.
      minimum: least values.
      maximum: greatest values.
      count: number of values per channel.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    minimum: tuple[float, ...]
    maximum: tuple[float, ...]
    count: int


@dataclasses.dataclass(frozen=True)
class Manifest:
    """Everything that is known of a dataset without reading its records."""

    name: str
    version: str
    schema: RecordSchema
    splits: dict[str, SplitEntry]
    statistics: Statistics | None
    options: dict[str, Any]
    versions: dict[str, str]
    rejects: int = 0
    format_version: int = FORMAT_VERSION

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over the schema and every shard's SHA-256: names the exact data."""
        shards = {
            split: [shard.sha256 for shard in entry.shards] for split, entry in self.splits.items()
        }
        content = json.dumps([self.schema.to_json(), shards], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def to_json(self) -> str:
        """The manifest as JSON text; equal manifests give equal text."""
        return json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """The inverse of `to_json`.

        Raises:
          DatasetError: if the text is no manifest, or one of another format version.
        """
        try:
            value = json.loads(text)
            found = value["format_version"]
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"the manifest is not readable ({error}); convert again") from error
        if found != FORMAT_VERSION:
            raise DatasetError(
                f"the manifest has format version {found}, this program reads {FORMAT_VERSION}; "
                "convert again with this version, or install the version that wrote it"
            )
        return cls(**_decode(value))


def _decode(value: dict[str, Any]) -> dict[str, Any]:
    try:
        statistics = value["statistics"]
        return {
            **value,
            "schema": RecordSchema.from_json(value["schema"]),
            "splits": {name: _split(entry) for name, entry in value["splits"].items()},
            "statistics": None if statistics is None else _statistics(statistics),
        }
    except (KeyError, TypeError) as error:
        raise DatasetError(f"the manifest is incomplete ({error!r}); convert again") from error


def _split(value: dict[str, Any]) -> SplitEntry:
    histogram = {int(steps): count for steps, count in value["length_histogram"].items()}
    shards = tuple(ShardEntry(**shard) for shard in value["shards"])
    return SplitEntry(**{**value, "shards": shards, "length_histogram": histogram})


def _statistics(value: dict[str, Any]) -> Statistics:
    per_channel = ("mean", "deviation", "minimum", "maximum")
    return Statistics(**{**value, **{key: tuple(value[key]) for key in per_channel}})

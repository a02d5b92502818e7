"""The manifest: what a dataset consists of. It is written last, so without it there is none."""

import dataclasses
import hashlib
import itertools
import json
import math
import re
import reprlib
import unicodedata
from collections.abc import Iterator
from typing import Any

from tfrecords_schema.decoding import decode, json_object
from tfrecords_schema.errors import DatasetError
from tfrecords_schema.labels import Head, class_in
from tfrecords_schema.left_out import LeftOut
from tfrecords_schema.names import INDEX
from tfrecords_schema.schema import RecordSchema
from tfrecords_schema.storage import require_plain

FORMAT_VERSION = 1
FRAMING_BYTES = 16
"""Around a record: its length and checksums."""
_READ_OPTIONS = {"sample_rate_hz": float, "channels": list[str], "units": list[str]}
_LARGEST = 2**62
_SHA256 = re.compile("[0-9a-f]{64}")  # Copies of shards are called by it.


@dataclasses.dataclass(frozen=True)
class ShardEntry:
    """One shard file: its name, number of records, size and SHA-256 (hex)."""

    file: str
    records: int
    size_bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class FileEntry:
    """One file beside the shards: its size and SHA-256 (hex)."""

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
      missing_labels: labels that are not known (of steps or records, as the labels are).
      missing_heads: the same of each of several labels, by the name of its head; empty of one
        label, and where it was not counted, as in a selection.
    """

    shards: tuple[ShardEntry, ...]
    records: int
    groups: int
    steps: int
    size_bytes: int
    class_counts: dict[str, int]
    length_histogram: dict[int, int]
    missing_labels: int = 0
    missing_heads: dict[str, int] = dataclasses.field(default_factory=dict)

    def labels(self, per: str) -> int:
        """How many labels there are, known or not, of one per `record` or `step`."""
        return {"record": self.records, "step": self.steps}[per]

    def of_head(self, head: Head) -> "SplitEntry":
        """The same with the counts of one of `views` of a label alone."""
        names = head.label.class_names
        counts = {name: self.class_counts.get(class_in(head, name), 0) for name in names}
        missing = self.missing_heads.get(head.name, self.missing_labels)
        return dataclasses.replace(self, class_counts=counts, missing_labels=missing)


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Per channel (last axis), or number beside the steps, over all of the training split.

    Attributes:
      mean: means.
      deviation: population standard deviations.
      minimum: least values.
      maximum: greatest values.
      count: number of values per channel; the greatest where recordings lack some.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    minimum: tuple[float, ...]
    maximum: tuple[float, ...]
    count: int


@dataclasses.dataclass(frozen=True)
class Manifest:
    """Everything that is known of a dataset without reading its records.

    Attributes:
      name: name of the dataset.
      version: MAJOR.MINOR.PATCH.
      schema: what a record holds.
      splits: by name.
      statistics: of the training split's signals; None for frames, or without such a split.
      options: of the conversion.
      versions: of the packages that wrote the records.
      rejects: inputs that were left out.
      files: the files beside the shards, by name; filled in when the dataset is finished.
      left_out: what else was left out or changed, and why.
      shards_of: folder of the dataset that the shards belong to, where they are another's; empty
        where they lie beside the manifest. See `selection.py`.
    """

    name: str
    version: str
    schema: RecordSchema
    splits: dict[str, SplitEntry]
    statistics: Statistics | None
    options: dict[str, Any]
    versions: dict[str, str]
    rejects: int = 0
    files: dict[str, FileEntry] = dataclasses.field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    format_version: int = FORMAT_VERSION
    shards_of: str = ""

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over the schema and every shard's SHA-256: names the exact data.

        Where records are selected of another's shards, the index says which.
        """
        shards = {
            split: [shard.sha256 for shard in entry.shards] for split, entry in self.splits.items()
        }
        schema = _schema_fields(self.schema)
        if not self.schema.input.has_padding:  # As before there was such a field.
            del schema["input"]["has_padding"]
        parts: list[Any] = [schema, shards]
        if self.shards_of:
            parts.append({INDEX: self.files[INDEX].sha256})
        content = json.dumps(parts, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def seal(self) -> str:
        """SHA-256 (hex) over all that a training goes by: records, index, counts and statistics.

        Two of the same records may differ in these. It is of the same bytes wherever they lie, and
        says who wrote them as little as any checksum: compare it with one from a place you trust.
        """
        about = {name: dataclasses.asdict(entry) for name, entry in self.splits.items()}
        for entry in about.values():
            if not entry["missing_heads"]:  # As before there were several labels.
                del entry["missing_heads"]
        statistics = self.statistics and dataclasses.asdict(self.statistics)
        index = self.files[INDEX].sha256 if INDEX in self.files else ""
        content = json.dumps([self.fingerprint, index, about, statistics], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def to_json(self) -> str:
        """The manifest as JSON text with its own checksum; equal manifests give equal text."""
        content = {**dataclasses.asdict(self), "schema": _schema_fields(self.schema)}
        for split in content["splits"].values():
            for name in ("missing_labels", "missing_heads"):
                if not split[name]:
                    del split[name]
        if not self.shards_of:
            del content["shards_of"]  # As in every manifest before there were selections.
        return sealed_json(content)

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """The inverse of `to_json`.

        Raises:
          DatasetError: if the text is no manifest, one of another format version, or not the
            one that was written.
        """
        try:
            value = json_object(text)
        except DatasetError as error:
            raise DatasetError(f"the manifest is not readable ({error}); convert again") from error
        found = value.get("format_version")
        if found != FORMAT_VERSION:
            raise DatasetError(
                f"the manifest has format version {reprlib.repr(found)}, this program reads "
                f"{FORMAT_VERSION}; convert again with this version, or install the version that "
                "wrote it"
            )
        if "checksum" not in value:
            raise DatasetError("the manifest has no checksum of its own; convert again")
        if sealed_json(value) != text:
            raise DatasetError(
                "the manifest is not as it was written, its checksum does not fit; copy it again, "
                "or convert again with --overwrite"
            )
        del value["checksum"]
        try:
            manifest = decode(cls, value)
            check_options(manifest.options)
        except DatasetError as error:
            raise DatasetError(f"the manifest is incomplete ({error}); convert again") from error
        _require_plain_names(manifest)
        for place, problem in _contradictions(manifest):
            raise DatasetError(f"{place}: {problem}, which no dataset has; convert again")
        return manifest


def check_options(options: dict[str, Any]) -> None:
    """Checks those options of a conversion that say something of the records.

    Raises:
      DatasetError: one is of another type; the message has its name.
    """
    for name, kind in _READ_OPTIONS.items():
        if options.get(name):  # None and nothing are "not known", whatever they are written as.
            decode(kind, options[name], f"options.{name}")
    rate_hz = options.get("sample_rate_hz") or 0.0
    if not 0 <= rate_hz < math.inf:
        raise DatasetError(f"options.sample_rate_hz: got {rate_hz}, which no recording has")


def _schema_fields(schema: RecordSchema) -> dict[str, Any]:
    """As JSON has them; without what says that nothing is special, as before anything could be."""
    fields = dataclasses.asdict(schema)
    for name in ("roles", "beside"):
        if not getattr(schema.input, name):
            del fields["input"][name]
    if schema.label and not schema.label.has_missing:
        del fields["label"]["has_missing"]
    if schema.label and not schema.label.heads:
        del fields["label"]["heads"]
    return fields


def sealed_json(value: dict[str, Any]) -> str:
    """JSON text of a value with its SHA-256 (hex) as `checksum`, over the text without it."""
    # Through JSON and back: integer keys become text, and sort as such ever after.
    content = {**json.loads(json.dumps(value)), "checksum": None}
    checksum = hashlib.sha256(_canonical(content).encode()).hexdigest()
    return _canonical({**content, "checksum": checksum})


def _canonical(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def _contradictions(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Numbers that no dataset has, by their place; others rely on what is not found here."""
    for name, split in manifest.splits.items():
        place = f"splits[{name!r}]"
        counts = {
            **{
                f: getattr(split, f)
                for f in ("records", "groups", "steps", "size_bytes", "missing_labels")
            },
            **{f"class_counts[{one!r}]": count for one, count in split.class_counts.items()},
            **{f"missing_heads[{one!r}]": count for one, count in split.missing_heads.items()},
            **{f"length_histogram[{n}]": count for n, count in split.length_histogram.items()},
        }
        for field, count in counts.items():
            if count < 0 or count > _LARGEST:
                yield f"{place}.{field}", f"got {reprlib.repr(count)}"
        if min(split.length_histogram, default=0) < 0:
            yield f"{place}.length_histogram", "got a length below 0"
        for at, shard in enumerate(split.shards):
            if not 0 <= shard.records * FRAMING_BYTES <= shard.size_bytes <= _LARGEST:
                said = f"{reprlib.repr(shard.records)} records in {reprlib.repr(shard.size_bytes)}"
                yield f"{place}.shards[{at}]", f"got {said} bytes"
            if not _SHA256.fullmatch(shard.sha256):
                yield f"{place}.shards[{at}].sha256", f"got {reprlib.repr(shard.sha256)}"
    for name, file in manifest.files.items():
        if not _SHA256.fullmatch(file.sha256):
            yield f"files[{name!r}].sha256", f"got {reprlib.repr(file.sha256)}"
    if problem := statistics_problem(manifest.statistics, manifest.schema):
        yield "statistics", problem
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in manifest.shards_of):
        yield "shards_of", f"got {reprlib.repr(manifest.shards_of)}"


def statistics_problem(found: Statistics | None, schema: RecordSchema) -> str:
    """Why statistics cannot be of such records; empty if they can."""
    if found is None:
        return ""
    channels = schema.input.measured
    columns = (found.mean, found.deviation, found.minimum, found.maximum)
    if {*map(len, columns)} != {channels} or not 0 < found.count <= _LARGEST:
        return f"got others than of {channels} channels"
    if not all(map(math.isfinite, itertools.chain(*columns))) or min(found.deviation) < 0:
        return "got NaN, infinity, or a deviation below 0"
    return ""


def _require_plain_names(manifest: Manifest) -> None:
    shards = [shard.file for entry in manifest.splits.values() for shard in entry.shards]
    for what, names in (
        ("file of the manifest", [*shards, *manifest.files]),
        ("split of the manifest", manifest.splits),
        ("name in the manifest", [manifest.name]),
        ("version in the manifest", [manifest.version]),
    ):
        for name in names:
            require_plain(name, what)

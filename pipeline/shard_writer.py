"""Writing one shard: read, check, encode, write, hash, rename; one record in memory at a time.

Beside the shard goes a part file: its index rows, and in its metadata everything else that is
known of it. The part file comes last, so a shard with one is whole, and a conversion that was
killed goes on with the shards that have none.
"""

import collections
import dataclasses
import hashlib
import json
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.channel_sums import ChannelSums
from pipeline.errors import RejectedInputError
from pipeline.facts import Decision
from pipeline.label_kinds import LabelPlan, convert_label
from pipeline.options import ConvertOptions
from pipeline.shard_plan import Member
from pipeline.source import Reject, Source
from pipeline.work_dir import ProgressFile
from tfrecords_schema.index import IndexRow, read_metadata, write_index
from tfrecords_schema.names import join, shard_name

TRAINING_SPLIT = "train"
_FRAMING_BYTES = 16  # Length 8, its checksum 4, the data's checksum 4.
_HASH_CHUNK_BYTES = 1 << 20
_PART_KEY = "part"


@dataclasses.dataclass(frozen=True)
class ShardJob:
    """One shard to write."""

    split: str
    shard: int
    num_shards: int
    members: Sequence[Member]

    def file(self, name: str) -> str:
        """File name in the dataset folder."""
        return shard_name(name, self.split, self.shard, self.num_shards)


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
      rejects: inputs that turned out to be unusable when they were read.
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
    rejects: list[Reject] = dataclasses.field(default_factory=list)

    def to_json(self) -> str:
        """The part as JSON text; floats keep every bit."""
        channels = dataclasses.asdict(self.channels) if self.channels else None
        return json.dumps({**vars(self), "channels": channels}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Part":
        """The inverse of `to_json`."""
        value = json.loads(text)
        for field in ("class_counts", "lengths"):
            counts = {int(key): count for key, count in value[field].items()}
            value[field] = collections.Counter(counts)
        if value["channels"] is not None:
            sums = value["channels"]
            lists = {key: tuple(item) for key, item in sums.items() if key != "count"}
            value["channels"] = ChannelSums(sums["count"], **lists)
        value["rejects"] = [Reject(*reject) for reject in value["rejects"]]
        return cls(**value)


def part_name(split: str, shard: int) -> str:
    """File name of a part in the work folder."""
    return f"{split}-{shard:05d}.parquet"


def read_part(path: str) -> Part:
    """Reads what a part file says of its shard."""
    return Part.from_json(read_metadata(path)[_PART_KEY])


class ShardWriter:
    """Writes shards of one conversion into its work folder."""

    def __init__(
        self,
        source: Source,
        decision: Decision,
        options: ConvertOptions,
        work_dir: str,
        progress: ProgressFile,
    ):
        assert decision.schema is not None
        self._source = source
        self._decision = decision
        self._schema = decision.schema
        self._options = options
        self._work_dir = work_dir
        self._progress = progress

    def write(self, job: ShardJob) -> None:
        """Writes a shard and its part file, unless both are there already."""
        path = join(self._work_dir, job.file(self._options.name))
        part_path = join(self._work_dir, part_name(job.split, job.shard))
        key = self._key(job)
        if self._is_written(path, part_path, key):
            self._progress.add(
                written=len(job.members), size_bytes=sum(m.size_bytes for m in job.members)
            )
            return
        part = Part(key, job.split, job.shard, job.file(self._options.name))
        temporary = f"{path}.{uuid.uuid4().hex}.tmp"
        rows = self._write_records(temporary, job, part)
        part.size_bytes, part.sha256 = _hash_file(temporary)
        tf.io.gfile.rename(temporary, path, overwrite=True)
        temporary_part = f"{part_path}.{uuid.uuid4().hex}.tmp"
        write_index(temporary_part, rows, {_PART_KEY: part.to_json()})
        tf.io.gfile.rename(temporary_part, part_path, overwrite=True)

    def _key(self, job: ShardJob) -> str:
        members = [(m.path, m.size_bytes, m.checksum, m.group) for m in job.members]
        place = (job.split, job.shard, job.num_shards)
        content = [
            self._options.recorded(),
            self._schema.to_json(),
            self._decision.labels.classes if self._decision.labels else (),
            place,
            members,
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def _is_written(self, path: str, part_path: str, key: str) -> bool:
        if not tf.io.gfile.exists(part_path):
            return False
        part = read_part(part_path)
        if part.key != key:
            return False
        final = join(self._work_dir, "..", part.file)
        return any(
            tf.io.gfile.exists(place) and _hash_file(place) == (part.size_bytes, part.sha256)
            for place in (path, final)
        )

    def _write_records(self, path: str, job: ShardJob, part: Part) -> list[IndexRow]:
        rows = []
        offset = 0
        with tf.io.TFRecordWriter(path) as writer:
            for member in job.members:
                try:
                    serialized, row = self._encode(member, job.shard, part)
                except RejectedInputError as error:
                    part.rejects.append(Reject(member.path, "write", str(error)))
                    continue
                writer.write(serialized)
                size = len(serialized) + _FRAMING_BYTES
                rows.append(dataclasses.replace(row, offset=offset, size_bytes=size))
                offset += size
                self._progress.add(written=1, size_bytes=member.size_bytes)
        part.records = len(rows)
        return rows

    def _encode(self, member: Member, shard: int, part: Part) -> tuple[bytes, IndexRow]:
        raw = self._source.read(member.path)
        label, plan = None, self._decision.labels
        if plan is not None:
            assert raw.label is not None
            label = convert_label(raw.label, plan)
        if isinstance(raw.data, np.ndarray):
            _require_finite(raw.data)
            if member.split == TRAINING_SPLIT:
                sums = ChannelSums.of(raw.data)
                part.channels = sums if part.channels is None else part.channels.merge(sums)
        serialized = self._schema.encode(member.record_id, raw.data, label)
        steps = len(raw.data)
        part.lengths[steps] += 1
        if plan is not None and plan.spec.kind == "class":
            assert label is not None
            part.class_counts.update(np.asarray(label).reshape(-1).tolist())
        label_steps = (
            len(label) if plan and plan.spec.per == "sequence" and label is not None else 0
        )
        row = IndexRow(
            member.record_id,
            member.group,
            member.split,
            shard,
            0,
            0,
            steps,
            label_steps,
            member.path,
            _summary(label, plan),
        )
        return serialized, row


def _require_finite(signal: np.ndarray) -> None:
    if signal.dtype.kind != "f" or np.isfinite(signal).all():
        return
    bad = ~np.isfinite(signal.reshape(len(signal), -1)).all(axis=1)
    raise RejectedInputError(
        f"the signal holds NaN or infinity in {bad.sum()} of {len(bad)} steps, the first is step "
        f"{int(np.argmax(bad))}; repair or remove the recording"
    )


def _summary(label: np.ndarray | None, plan: LabelPlan | None) -> str:
    if label is None or plan is None:
        return ""
    if plan.spec.kind == "value":
        return f"mean {np.asarray(label, np.float64).mean():.4g}"
    names = plan.spec.class_names
    if plan.spec.per == "record":
        return names[int(label)]
    found, counts = np.unique(label, return_counts=True)
    pairs = [f"{names[index]}:{count}" for index, count in zip(found, counts, strict=True)]
    return " ".join(pairs[:10]) + (" ..." if len(pairs) > 10 else "")


def _hash_file(path: str) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    for chunk in _chunks(path):
        digest.update(chunk)
        size += len(chunk)
    return size, digest.hexdigest()


def _chunks(path: str) -> Iterator[Any]:
    with tf.io.gfile.GFile(path, "rb") as file:
        while chunk := file.read(_HASH_CHUNK_BYTES):
            yield chunk

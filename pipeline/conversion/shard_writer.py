"""Writing one shard: read, check, encode, write and hash, rename.

A record's statistics are computed while it is encoded, and its hash while the next one is read, so
two records are in memory at most: NumPy and hashlib run without Python's lock.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

import numpy as np
import tensorflow as tf

from pipeline.console.errors import ChangedInputError, RejectedInputError
from pipeline.conversion.channel_sums import ChannelSums
from pipeline.conversion.inputs import Decision
from pipeline.conversion.parts import Part, find_part, part_path, write_part
from pipeline.conversion.shard_plan import Member
from pipeline.conversion.work_dir import ProgressFile, WorkDir
from pipeline.sources.label_kinds import LabelPlan, convert_label
from pipeline.sources.options import ConvertOptions
from pipeline.sources.source import RawRecord, Reject, Source
from tfrecords_schema.errors import DatasetError
from tfrecords_schema.files import hash_file
from tfrecords_schema.index import IndexRow
from tfrecords_schema.manifest import FileEntry
from tfrecords_schema.names import join, shard_name
from tfrecords_schema.record_writer import ASIDE_BYTES, RecordWriter
from tfrecords_schema.storage import replacing

TRAINING_SPLIT = "train"
_SHOWN_CLASSES = 10


class ShardWriter:
    """Writes shards of one conversion into its work folder."""

    def __init__(
        self,
        source: Source,
        decision: Decision,
        options: ConvertOptions,
        progress: ProgressFile,
        helpers: Executor,
    ):
        assert decision.schema is not None
        self._source = source
        self._labels = decision.labels
        self._schema = decision.schema
        self._options = options
        self._work_dir = WorkDir(options.dataset_dir).path
        self._progress = progress
        self._helpers = helpers

    def write(self, split: str, shard: int, num_shards: int, members: Sequence[Member]) -> None:
        """Writes a shard, unless it and its part file are there already.

        Args:
          split: name of the split.
          shard: number of the shard within the split.
          num_shards: number of shards of the split.
          members: its records, sorted.
        """
        part = self._new_part((split, shard, num_shards), members)
        if self._is_written(part):
            size_bytes = sum(member.size_bytes for member in members)
            self._progress.add(written=len(members), size_bytes=size_bytes)
            return
        with replacing(join(self._work_dir, part.file)) as temporary:
            rows = self._write_records(temporary, members, part)
        write_part(part_path(self._work_dir, part.split, part.shard), part, rows)

    def _new_part(self, place: tuple[str, int, int], members: Sequence[Member]) -> Part:
        inputs = [(m.path, m.size_bytes, m.checksum, m.group) for m in members]
        classes = self._labels.classes if self._labels else ()
        schema = dataclasses.asdict(self._schema)
        content = [self._options.recorded(), schema, classes, place, inputs]
        key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        return Part(key, *place[:2], shard_name(self._options.name, *place))

    def _is_written(self, part: Part) -> bool:
        found = find_part(part_path(self._work_dir, part.split, part.shard))
        if found is None or found.key != part.key or found.has_changed_inputs:
            return False
        places = [join(folder, part.file) for folder in (self._work_dir, self._options.dataset_dir)]
        return any(
            tf.io.gfile.exists(place)
            and hash_file(place) == FileEntry(found.size_bytes, found.sha256)
            for place in places
        )

    def _write_records(self, path: str, members: Sequence[Member], part: Part) -> list[IndexRow]:
        rows: list[IndexRow] = []
        with RecordWriter(path, self._helpers) as writer:
            for member in members:
                try:
                    serialized, row = self._encode(member, part)
                except RejectedInputError as error:
                    has_changed = isinstance(error, ChangedInputError)
                    reject = Reject(member.path, "write", str(error))
                    part.rejects.append(reject._replace(stage="changed") if has_changed else reject)
                    continue
                offset = writer.size_bytes
                writer.write(serialized)
                size = writer.size_bytes - offset
                rows.append(dataclasses.replace(row, offset=offset, size_bytes=size))
                self._progress.add(written=1, size_bytes=member.size_bytes)
        part.records, part.size_bytes, part.sha256 = len(rows), writer.size_bytes, writer.sha256
        return rows

    def _encode(self, member: Member, part: Part) -> tuple[bytes, IndexRow]:
        raw = self._read(member)
        label = self._convert_label(raw.label)
        moments = None
        if isinstance(raw.data, np.ndarray):
            if part.split == TRAINING_SPLIT:
                moments = self._moments(raw.data, raw.padding)
            else:
                _require_finite(raw.data)
        try:
            serialized = self._schema.encode(member.record_id, raw.data, label)
        except DatasetError as error:  # Data and label are within the limit, both together are not.
            raise RejectedInputError(f"{error}; cut it into several") from error
        if moments is not None and isinstance(raw.data, np.ndarray):
            sums = moments()
            if not sums.is_finite:
                _require_finite(raw.data)
            part.channels = part.channels.merge(sums) if part.channels else sums
        part.lengths[len(raw.data)] += 1
        if label is not None and self._schema.label and self._schema.label.kind == "class":
            part.class_counts.update(label.reshape(-1).tolist())
        part.zeroed_records += raw.zeroed > 0
        part.zeroed_values += raw.zeroed
        return serialized, self._row(member, part.shard, len(raw.data), label)

    def _moments(self, data: np.ndarray, padding: int) -> Callable[[], ChannelSums]:
        """Adds up the samples but those that only fill the last step; many, in another thread."""
        samples = data.reshape(-1, data.shape[-1])[: -padding or None]
        if samples.nbytes >= ASIDE_BYTES:
            return self._helpers.submit(ChannelSums.of, samples).result
        sums = ChannelSums.of(samples)
        return lambda: sums

    def _read(self, member: Member) -> RawRecord:
        """Reads an input that must be what it was when it was described.

        Raises:
          ChangedInputError: if it is not.
          RejectedInputError: if it is, and cannot be converted.
        """
        try:
            raw = self._source.read(member.path)
            found = raw.checksum
        except RejectedInputError:
            found = self._checksum(member)
            if found == member.checksum:
                raise
        if found != member.checksum:
            raise ChangedInputError(
                "it changed while the conversion ran"
                if found
                else "it vanished, or was damaged, while the conversion ran"
            )
        return raw

    def _checksum(self, member: Member) -> str:
        """What the input's checksum is now; empty if it cannot be described any more."""
        try:
            return self._source.describe(member.path).checksum
        except RejectedInputError:
            return ""

    def _convert_label(self, label: np.ndarray | None) -> np.ndarray | None:
        if self._labels is None:
            return None
        assert label is not None  # It was there when the input was described.
        return convert_label(label, self._labels)

    def _row(self, member: Member, shard: int, steps: int, label: np.ndarray | None) -> IndexRow:
        spec = self._schema.label
        has_own_axis = label is not None and spec is not None and spec.per == "sequence"
        return IndexRow(
            id=member.record_id,
            group=member.group,
            split=member.split,
            shard=shard,
            offset=0,
            size_bytes=0,
            steps=steps,
            label_steps=len(label) if label is not None and has_own_axis else 0,
            source=member.path,
            label=_summary(label, self._labels),
        )


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
        return f"mean {label.mean(dtype=np.float64):.4g}" if label.size else "empty"
    names = plan.spec.class_names
    found, counts = np.unique(label, return_counts=True)
    if plan.spec.per == "record":
        return names[found[0]]
    pairs = [f"{names[index]}:{count}" for index, count in zip(found, counts, strict=True)]
    return " ".join(pairs[:_SHOWN_CLASSES]) + (" ..." if len(pairs) > _SHOWN_CLASSES else "")

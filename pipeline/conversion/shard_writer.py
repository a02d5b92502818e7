"""Writing one shard: read, check, encode, write and hash, rename.

A record's statistics are computed while it is encoded, and its hash while the next one is read, so
two records are in memory at most: NumPy and hashlib run without Python's lock.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import apache_beam as beam
import numpy as np

from pipeline.batches.channel_sums import ChannelSums, merged
from pipeline.console.errors import (
    ChangedInputError,
    MissingLabelError,
    RejectedInputError,
    fault_named,
)
from pipeline.conversion.inputs import Decision
from pipeline.conversion.packs import unpack
from pipeline.conversion.parts import Part, find_part, part_path, write_part
from pipeline.conversion.shard_plan import ShardPlan, record_order
from pipeline.conversion.work_dir import ProgressFile, WorkDir
from pipeline.sources.options import ConvertOptions
from pipeline.sources.rejects import noted
from pipeline.sources.source import Description, RawRecord, Reject, Source
from tfrecords_schema.channels import ChannelRole
from tfrecords_schema.errors import DatasetError
from tfrecords_schema.files import hash_file
from tfrecords_schema.flushing import want
from tfrecords_schema.index import IndexRow
from tfrecords_schema.labels import apart, missing_of_heads
from tfrecords_schema.left_out import LeftOut, Tally
from tfrecords_schema.manifest import FileEntry
from tfrecords_schema.names import UNLABELLED, join, shard_name
from tfrecords_schema.record_writer import ASIDE_BYTES, FRAMING_BYTES, RecordWriter
from tfrecords_schema.storage import is_own_file, replacing

TRAINING_SPLIT = "train"


class ShardWriter(beam.DoFn):
    """`((split, shard), packs of descriptions)` to a shard and its part file in the work folder."""

    def __init__(self, source: Source, options: ConvertOptions):
        super().__init__()
        self._source = source
        self._options = options
        self._work_dir = WorkDir(options.dataset_dir).path

    def setup(self) -> None:
        """Starts what does not travel to a worker."""
        want(self._options.durable)
        self._progress = ProgressFile(self._work_dir)
        self._helpers = ThreadPoolExecutor(max_workers=2)

    def process(
        self, element: tuple[tuple[str, int], Iterable[bytes]], decision: Decision, plan: ShardPlan
    ) -> Iterator[tuple[str, int]]:
        """Writes a shard, unless it and its part file are there already."""
        (split, shard), packs = element
        assert decision.schema is not None
        self._schema, self._labels = decision.schema, decision.labels
        records = sorted(unpack(*packs), key=record_order)
        part = self._new_part((split, shard, plan.num_shards(split)), records)
        if self._is_written(part):
            size_bytes = sum(record.size_bytes for record in records)
            self._progress.add(written=len(records), size_bytes=size_bytes)
        else:
            with replacing(join(self._work_dir, part.file)) as temporary:
                rows = self._write_records(temporary, records, part)
            write_part(part_path(self._work_dir, split, shard), part, rows)
        yield split, shard

    def finish_bundle(self) -> None:
        """Brings the progress line up to date."""
        self._progress.flush()

    def teardown(self) -> None:
        """Ends the helpers."""
        self._helpers.shutdown()

    def _new_part(self, place: tuple[str, int, int], records: Sequence[Description]) -> Part:
        inputs = [(r.path, r.size_bytes, r.checksum, r.group) for r in records]
        classes = [plan.classes for plan in self._labels.plans] if self._labels else []
        schema = dataclasses.asdict(self._schema)
        content = [self._options.recorded(), schema, classes, place, inputs]
        key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        return Part(key, *place[:2], shard_name(self._options.name, *place))

    def _is_written(self, part: Part) -> bool:
        found = find_part(part_path(self._work_dir, part.split, part.shard))
        if found is None or found.has_changed_inputs:
            return False
        if (found.key, *_place_of(found)) != (part.key, *_place_of(part)):
            return False  # The commit goes by the part, wherever that says that its shard is.
        places = [join(folder, part.file) for folder in (self._work_dir, self._options.dataset_dir)]
        expected = FileEntry(found.size_bytes, found.sha256)
        return any(hash_file(place) == expected for place in filter(is_own_file, places))

    def _write_records(
        self, path: str, records: Sequence[Description], part: Part
    ) -> list[IndexRow]:
        rows: list[IndexRow] = []
        left_out = Tally()
        with RecordWriter(path, self._helpers) as writer:
            for record in records:
                try:
                    serialized, row, said = self._encode(record, part, writer.size_bytes)
                except RejectedInputError as error:
                    has_changed = isinstance(error, ChangedInputError)
                    reject = Reject(record.path, "write", str(error))
                    part.rejects.append(reject._replace(stage="changed") if has_changed else reject)
                    continue
                writer.write(serialized)
                rows.append(row)
                left_out.update(noted(said, record.path))
                self._progress.add(written=1, size_bytes=record.size_bytes)
        part.records, part.size_bytes, part.sha256 = len(rows), writer.size_bytes, writer.sha256
        part.left_out = [*left_out.rows()]
        return rows

    def _encode(
        self, record: Description, part: Part, offset: int
    ) -> tuple[bytes, IndexRow, tuple[LeftOut, ...]]:
        label, place = None, self._source.full_path(record.path)
        with fault_named(f"{type(self._source).__name__}.read({place!r})"):
            raw = self._read(record)
            if self._labels is not None and record.split == UNLABELLED:
                label = self._labels.spec.unknown(len(raw.data))
            elif self._labels is not None:
                label = self._labels.convert(raw.labels, record)
        moments = self._moments(raw, part)
        try:
            serialized = self._schema.encode(
                record.record_id, raw.data, label, raw.padding, raw.beside
            )
        except DatasetError as error:  # Data and label are within the limit, both together are not.
            raise RejectedInputError(f"{error}; cut it into several") from error
        if moments is not None:
            part.channels = merged([part.channels, moments()])
        self._add_unnarrowed(raw, record, part)
        part.lengths[len(raw.data)] += 1
        spec = self._schema.label
        missing = 0
        if label is not None and spec is not None:
            known = spec.is_known(label)
            missing = known.size - int(known.sum())
            if spec.class_names:
                totals = enumerate(spec.class_totals(label[known]).tolist())
                part.class_counts.update({at: total for at, total in totals if total})
            part.missing_heads.update(missing_of_heads(spec, label))
        part.missing_labels += missing
        has_own_axis = label is not None and spec is not None and spec.per == "sequence"
        row = IndexRow(
            id=record.record_id,
            group=record.group,
            split=record.split,
            shard=part.shard,
            offset=offset,
            size_bytes=len(serialized) + FRAMING_BYTES,
            steps=len(raw.data),
            label_steps=len(label) if label is not None and has_own_axis else 0,
            source=record.path,
            label=spec.summary(label) if label is not None and spec is not None else "",
        )
        said = (*record.left_out, *raw.left_out)
        if record.split != UNLABELLED and label is not None and self._labels:
            said += (*self._rounded(raw, record, label), *self._labels.stored_gaps(label))
        return serialized, row, said

    def _values(self, raw: RawRecord, record: Description) -> Iterator[tuple[int, np.ndarray]]:
        """Place and numbers of each label that is stored as numbers."""
        for at, plan in enumerate(self._labels.plans if self._labels else ()):
            label = raw.labels[at] if raw.labels else None
            if plan.spec.kind == "value" and label is not None and at not in record.lacking:
                yield at, np.asarray(label)

    def _rounded(self, raw: RawRecord, record: Description, label: np.ndarray) -> Iterator[LeftOut]:
        """What is said of whole numbers that are others in the dtype of the label."""
        assert self._labels is not None
        stored = [found for _, found in apart(self._labels.spec, label)]
        for at, values in self._values(raw, record):
            found = stored[at]
            if self._labels.plans[at].windows is not None:
                continue
            given = values.astype(np.float64).reshape(-1)
            rounded = int(((given == np.rint(given)) & (given != found.reshape(-1))).sum())
            why = f"whole number, {found.dtype} holds the nearest that it can (to 16777216 all)"
            if rounded:
                yield LeftOut("label", why, rounded)

    def _add_unnarrowed(self, raw: RawRecord, record: Description, part: Part) -> None:
        """Adds up what records do not hold digit by digit."""
        if raw.unnarrowed is not None:
            moments = ChannelSums.of_record(raw.unnarrowed, raw.padding)
            part.unnarrowed = merged([part.unnarrowed, moments])
        if self._labels is None or part.split == UNLABELLED:
            return
        for at, found in self._values(raw, record):
            name, spec = self._labels.names[at], self._labels.plans[at].spec
            values = found.reshape(-1, math.prod(spec.shape))
            values = values[~np.isnan(values).any(1)] if spec.has_missing else values
            if values.size:
                sums = ChannelSums.of(values)
                known = part.label_values.get(name)
                part.label_values[name] = known.merge(sums) if known else sums

    def _moments(self, raw: RawRecord, part: Part) -> Callable[[], ChannelSums] | None:
        """Checks what is measured; adds it up in training, if it is large in another thread.

        Raises:
          RejectedInputError: it is not finite; what is returned may raise it, too.
        """
        values, roles = raw.measured, self._schema.input.roles
        if values is None:
            return None
        if part.split != TRAINING_SPLIT:
            _require_finite(values)
            return None
        if values.nbytes >= ASIDE_BYTES:
            return self._helpers.submit(_finite_moments, values, raw.padding, roles).result
        moments = _finite_moments(values, raw.padding, roles)
        return lambda: moments

    def _read(self, record: Description) -> RawRecord:
        """Reads an input that must be what it was when it was described.

        Raises:
          ChangedInputError: if it is not.
          RejectedInputError: if it is, and cannot be converted.
        """
        try:
            raw = self._source_of(record).read(record.path)
            if raw.checksum == record.checksum:
                return raw
        except RejectedInputError:
            if self._is_unchanged(record):
                raise
        raise ChangedInputError("it changed while the conversion ran")

    def _source_of(self, record: Description) -> Source:
        """What reads an input: without labels where it has none to be read."""
        if record.split == UNLABELLED:
            try:
                self._source.describe(record.path)
            except MissingLabelError:
                return self._source.without_labels()
        return self._source

    def _is_unchanged(self, record: Description) -> bool:
        try:
            return self._source_of(record).describe(record.path).checksum == record.checksum
        except RejectedInputError as error:
            raise ChangedInputError(
                "it vanished, or was damaged, while the conversion ran"
            ) from error


def _place_of(part: Part) -> tuple[str, int, str]:
    return part.split, part.shard, part.file


def _finite_moments(signal: np.ndarray, padding: int, roles: Sequence[ChannelRole]) -> ChannelSums:
    """Moments of all samples but those that only fill the last step.

    Raises:
      RejectedInputError: there are some that are not finite.
    """
    moments = ChannelSums.of_record(signal, padding, roles)
    if not moments.is_finite:
        _require_finite(signal)
    return moments


def _require_finite(signal: np.ndarray) -> None:
    if signal.dtype.kind != "f" or np.isfinite(signal).all():
        return
    bad = ~np.isfinite(signal.reshape(len(signal), -1)).all(axis=1)
    raise RejectedInputError(
        f"the signal holds NaN or infinity in {bad.sum()} of {len(bad)} steps, the first is step "
        f"{int(np.argmax(bad))}; repair or remove the recording"
    )

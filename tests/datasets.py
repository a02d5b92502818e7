"""Small dataset folders for tests, written with `tfrecords_schema` alone."""

import dataclasses
import itertools
import pathlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfrecords_schema import (
    Dataset,
    IndexRow,
    InputSpec,
    LabelSpec,
    Manifest,
    RecordSchema,
    ShardEntry,
    SplitEntry,
    Statistics,
    finish_dataset,
    hash_file,
    open_dataset,
    write_index,
)
from tfrecords_schema.labels import missing_of_heads
from tfrecords_schema.names import INDEX, REJECTS, join, shard_name
from tfrecords_schema.record_writer import FRAMING_BYTES
from tfrecords_schema.storage import atomic_write

CLASS_PER_STEP = LabelSpec("step", "class", class_names=("rest", "move", "fall"))
CLASS_PER_RECORD = LabelSpec("record", "class", class_names=("rest", "move", "fall"))
CLASSES_PER_STEP = LabelSpec("step", "classes", "int8", (3,), ("rest", "move", "fall"))
VALUE_PER_STEP = LabelSpec("step", "value", "float32", (2,))
VALUE_PER_RECORD = LabelSpec("record", "value", "float32", (2,))
VALUE_SEQUENCE = LabelSpec("sequence", "value", "float32", (2,))
SIGNAL_AND_CLASS = RecordSchema(InputSpec("signal", "float32", (2,)), CLASS_PER_RECORD)


@dataclasses.dataclass(frozen=True)
class Record:
    """A signal `[time, *step_shape]` or encoded frames, its label, and what stands beside it."""

    id: str
    data: Any
    label: Any = None
    group: str = ""
    beside: Any = None

    @property
    def steps(self) -> int:
        return len(self.data)


def random_records(
    lengths: Sequence[int], schema: RecordSchema, *, seed: int = 0, prefix: str = "r"
) -> list[Record]:
    """Signals of these lengths with random labels; two records in a row share a group."""
    rng = np.random.default_rng(seed)
    return [
        Record(
            id=f"{prefix}{i}",
            data=_random_array(rng, (length, *schema.input.step_shape), schema.input.dtype),
            label=_random_label(rng, schema.label, length),
            group=f"{prefix}-group{i // 2}",
        )
        for i, length in enumerate(lengths)
    ]


def write_dataset(
    folder: str | pathlib.Path,
    splits: Mapping[str, Sequence[Record]],
    schema: RecordSchema,
    *,
    num_shards: int = 3,
    name: str = "toy",
    version: str = "1.0.0",
) -> Dataset:
    """Writes a complete dataset under `folder/name/version` and opens it.

    The records of a split keep their order: record `i` is row `i` of the split's index.
    """
    path = join(str(folder), name, version)
    tf.io.gfile.makedirs(path)
    entries, rows = {}, []
    for split, records in splits.items():
        entries[split], split_rows = _write_split(path, name, split, records, schema, num_shards)
        rows += split_rows
    write_index(join(path, INDEX), rows)
    has_statistics = schema.input.kind == "signal" and splits.get("train")
    statistics = _statistics(splits["train"]) if has_statistics else None
    manifest = Manifest(name, version, schema, entries, statistics, options={}, versions={})
    atomic_write(join(path, REJECTS), b"")
    finish_dataset(path, manifest)
    return open_dataset(path)


def toy_dataset(
    folder: str | pathlib.Path,
    *,
    label: LabelSpec | None = CLASS_PER_STEP,
    dtype: str = "float32",
    step_shape: tuple[int, ...] = (3,),
    sizes: Mapping[str, int] | None = None,
    max_steps: int = 12,
    num_shards: int = 3,
    seed: int = 0,
    name: str = "toy",
) -> tuple[Dataset, dict[str, list[Record]]]:
    """A random dataset with the splits train, validation and test, and the records it holds."""
    schema = RecordSchema(InputSpec("signal", dtype, step_shape), label)
    rng = np.random.default_rng(seed)
    splits = {}
    for i, (split, size) in enumerate((sizes or {"train": 20, "validation": 7, "test": 5}).items()):
        lengths = rng.integers(1, max_steps + 1, size).tolist()
        splits[split] = random_records(lengths, schema, seed=seed + i, prefix=f"{split}-")
    return write_dataset(folder, splits, schema, num_shards=num_shards, name=name), splits


def two_splits(folder: str | pathlib.Path) -> Dataset:
    """Records of 3, 1 and 4 steps in each of two splits; they are called `train0` and so on."""
    splits = {
        name: random_records([3, 1, 4], SIGNAL_AND_CLASS, prefix=name) for name in ("train", "test")
    }
    return write_dataset(folder, splits, SIGNAL_AND_CLASS)


def _write_split(
    path: str,
    name: str,
    split: str,
    records: Sequence[Record],
    schema: RecordSchema,
    num_shards: int,
) -> tuple[SplitEntry, list[IndexRow]]:
    num_shards = max(1, min(num_shards, len(records)))
    shards, rows = [], []
    for shard, chunk in enumerate(_even_chunks(records, num_shards)):
        file = shard_name(name, split, shard, num_shards)
        rows += _write_shard(join(path, file), chunk, schema, split, shard)
        shards.append(_shard_entry(path, file, len(chunk)))
    entry = SplitEntry(
        shards=tuple(shards),
        records=len(records),
        groups=len({record.group for record in records}),
        steps=sum(record.steps for record in records),
        size_bytes=sum(shard.size_bytes for shard in shards),
        class_counts=_class_counts(records, schema.label),
        length_histogram=dict(Counter(record.steps for record in records)),
        missing_labels=_missing_labels(records, schema.label),
        missing_heads=_missing_heads(records, schema.label),
    )
    return entry, rows


def _write_shard(
    path: str, records: Sequence[Record], schema: RecordSchema, split: str, shard: int
) -> list[IndexRow]:
    rows, offset = [], 0
    with tf.io.TFRecordWriter(path) as writer:
        for record in records:
            content = schema.encode(record.id, record.data, record.label, beside=record.beside)
            writer.write(content)
            size_bytes = len(content) + FRAMING_BYTES
            rows.append(_index_row(record, schema.label, split, shard, offset, size_bytes))
            offset += size_bytes
    return rows


def _index_row(
    record: Record, label: LabelSpec | None, split: str, shard: int, offset: int, size_bytes: int
) -> IndexRow:
    has_own_axis = label is not None and label.per == "sequence"
    return IndexRow(
        id=record.id,
        group=record.group,
        split=split,
        shard=shard,
        offset=offset,
        size_bytes=size_bytes,
        steps=record.steps,
        label_steps=len(record.label) if has_own_axis else 0,
        source=f"{record.id}.npz",
        label="" if record.label is None else str(np.asarray(record.label).ravel()[:1]),
    )


def _shard_entry(path: str, file: str, records: int) -> ShardEntry:
    entry = hash_file(join(path, file))
    return ShardEntry(file, records, entry.size_bytes, entry.sha256)


def _class_counts(records: Sequence[Record], label: LabelSpec | None) -> dict[str, int]:
    if label is None or label.kind == "value":
        return {}
    if label.heads:
        totals = sum(label.class_totals(record.label) for record in records)
        return dict(zip(label.class_names, np.asarray(totals).tolist(), strict=True))
    indices = [np.zeros(0, int)]
    for labels in (np.asarray(record.label) for record in records):
        indices.append(np.nonzero(labels > 0)[-1] if label.shape else np.ravel(labels))
    found = np.concatenate(indices)
    counts = np.bincount(found[found >= 0], minlength=len(label.class_names)).tolist()
    return dict(zip(label.class_names, counts, strict=True))


def _missing_labels(records: Sequence[Record], label: LabelSpec | None) -> int:
    if label is None:
        return 0
    return sum(int((~label.is_known(np.asarray(record.label))).sum()) for record in records)


def _missing_heads(records: Sequence[Record], label: LabelSpec | None) -> dict[str, int]:
    found: Counter[str] = Counter()
    for record in records if label and label.heads else ():
        found.update(missing_of_heads(label, record.label))
    return dict(found)


def _statistics(records: Sequence[Record]) -> Statistics:
    channels = records[0].data.shape[-1] if records[0].data.ndim > 1 else 1
    values = np.concatenate([np.reshape(r.data, [-1, channels]) for r in records]).astype(float)
    return Statistics(
        mean=tuple(np.nanmean(values, 0).tolist()),
        deviation=tuple(np.nanstd(values, 0).tolist()),
        minimum=tuple(np.nanmin(values, 0).tolist()),
        maximum=tuple(np.nanmax(values, 0).tolist()),
        count=len(values),
    )


def _random_label(rng: np.random.Generator, label: LabelSpec | None, steps: int) -> Any:
    if label is None:
        return None
    lead = {"step": (steps,), "record": (), "sequence": (int(rng.integers(1, 9)),)}[label.per]
    if label.kind == "class":
        return rng.integers(0, len(label.class_names), lead)
    return rng.normal(size=(*lead, *label.shape)).astype(label.dtype)


def _random_array(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if np.issubdtype(dtype, np.integer):
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    return rng.normal(size=shape).astype(dtype)


def _even_chunks(records: Sequence[Record], count: int) -> Iterator[Sequence[Record]]:
    cuts = [len(records) * i // count for i in range(count + 1)]
    for begin, end in itertools.pairwise(cuts):
        yield records[begin:end]

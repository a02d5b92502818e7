"""Datasets of very many or very large records, written directly, in no time.

Records repeat: one is encoded for each length, and the same bytes are written again and again
under other ids of the index. To read, plan and train on them costs what any others do.
"""

import itertools
import pathlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

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
    finish_dataset,
    hash_file,
    open_dataset,
    write_index,
)
from tfrecords_schema.names import INDEX, REJECTS, join, shard_name
from tfrecords_schema.record_writer import FRAMING_BYTES
from tfrecords_schema.storage import atomic_write

NAME, SPLIT = "many", "train"


def write_many(
    folder: str | pathlib.Path,
    lengths: np.ndarray,
    step_shape: Sequence[int] = (),
    *,
    per: Literal["record", "step"] = "record",
    num_shards: int = 4,
) -> Dataset:
    """Writes one record of each length; float32 steps, one of two classes per record or step.

    With steps of one value and up to three of them a record takes 56 to 64 bytes in its shard.
    """
    label = LabelSpec(per, "class", class_names=("a", "b"))
    schema = RecordSchema(InputSpec("signal", "float32", tuple(step_shape)), label)
    path = join(str(folder), NAME, "1.0.0")
    tf.io.gfile.makedirs(path)
    encoded = {int(steps): _encode(schema, per, int(steps)) for steps in np.unique(lengths)}
    shards, rows = [], []
    for number, part in enumerate(np.array_split(lengths, num_shards)):
        file = shard_name(NAME, SPLIT, number, num_shards)
        with tf.io.TFRecordWriter(join(path, file)) as writer:
            for steps in part.tolist():
                writer.write(encoded[steps])
        entry = hash_file(join(path, file))
        shards.append(ShardEntry(file, len(part), entry.size_bytes, entry.sha256))
        rows.append(_rows(number, part, encoded))
    write_index(join(path, INDEX), itertools.chain.from_iterable(rows))
    split = SplitEntry(
        shards=tuple(shards),
        records=len(lengths),
        groups=len(lengths),
        steps=int(lengths.sum()),
        size_bytes=sum(shard.size_bytes for shard in shards),
        class_counts={"a": int(lengths.sum()) if per == "step" else len(lengths), "b": 0},
        length_histogram=dict(Counter(lengths.tolist())),
    )
    manifest = Manifest(NAME, "1.0.0", schema, {SPLIT: split}, None, options={}, versions={})
    atomic_write(join(path, REJECTS), b"")
    finish_dataset(path, manifest)
    return open_dataset(path)


def signal_of(steps: int, step_shape: Sequence[int] = ()) -> np.ndarray:
    """The one signal of this length, `[steps, *step_shape]` float32."""
    return np.random.default_rng(steps).standard_normal((steps, *step_shape), np.float32)


def _encode(schema: RecordSchema, per: str, steps: int) -> bytes:
    signal = signal_of(steps, schema.input.step_shape)
    return schema.encode("r", signal, np.zeros(steps, np.int64) if per == "step" else 0)


def _rows(number: int, lengths: np.ndarray, encoded: dict[int, bytes]) -> Iterator[IndexRow]:
    offset = 0
    for row, steps in enumerate(lengths.tolist()):
        name, size_bytes = f"{number}-{row}", len(encoded[steps]) + FRAMING_BYTES
        yield IndexRow(name, name, SPLIT, number, offset, size_bytes, steps, 0, name, "a")
        offset += size_bytes

"""Datasets of up to 10^8 records on little disk: one shard of a million under many names."""

import dataclasses
import os
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.harness.many_records import NAME, SPLIT, write_many
from benchmarks.harness.recordings import lognormal_lengths
from tfrecords_schema import Dataset, finish_dataset, open_dataset
from tfrecords_schema.index import INDEX_SCHEMA
from tfrecords_schema.names import INDEX, join, shard_name

_OF_A_SHARD = 1_000_000
_OF_A_GROUP = 1_000
_ROW_GROUP = 16_384  # As the index of a conversion has them.


def write_linked(folder: str | pathlib.Path, count: int) -> Dataset:
    """Writes `count` records of 5 to 200 steps of one value, those of every shard alike.

    The index has rows of its own for each, a thousand of them a group.
    """
    of_shard = min(count, _OF_A_SHARD)
    number = count // of_shard
    dataset = write_many(folder, lognormal_lengths(of_shard), num_shards=1)
    rows = pq.read_table(join(dataset.path, INDEX))
    (first,) = dataset.shard_paths(SPLIT)
    files = [shard_name(NAME, SPLIT, shard, number) for shard in range(number)]
    with pq.ParquetWriter(join(dataset.path, INDEX), INDEX_SCHEMA) as writer:
        for shard, file in enumerate(files):
            if number > 1:
                os.link(first, join(dataset.path, file))
            writer.write_table(_renamed(rows, shard), _ROW_GROUP)
    if number > 1:
        os.remove(first)
    split = dataset.manifest.splits[SPLIT]
    (entry,) = split.shards
    split = dataclasses.replace(
        split,
        shards=tuple(dataclasses.replace(entry, file=file) for file in files),
        records=number * split.records,
        groups=number * -(-of_shard // _OF_A_GROUP),
        steps=number * split.steps,
        size_bytes=number * split.size_bytes,
        class_counts={name: number * found for name, found in split.class_counts.items()},
        length_histogram={n: number * found for n, found in split.length_histogram.items()},
    )
    finish_dataset(dataset.path, dataclasses.replace(dataset.manifest, splits={SPLIT: split}))
    return open_dataset(dataset.path)


def _renamed(rows: pa.Table, shard: int) -> pa.Table:
    """The rows of another shard with the same records."""
    numbers = np.arange(len(rows))
    names = {
        "id": [pa.array(numbers).cast("string")],
        "group": [pa.array(numbers // _OF_A_GROUP).cast("string")],
    }
    for name, column in names.items():
        column = pc.binary_join_element_wise(f"{shard}", column[0], "-")
        rows = rows.set_column(rows.schema.get_field_index(name), name, column)
    rows = rows.set_column(rows.schema.get_field_index("source"), "source", rows["id"])
    shards = pa.array(np.full(len(rows), shard, np.int32))
    rows = rows.set_column(rows.schema.get_field_index("shard"), "shard", shards)
    return rows.cast(INDEX_SCHEMA)

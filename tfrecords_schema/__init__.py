"""The contract on disk: records, names, index, manifest, and opening a dataset."""

from tfrecords_schema.dataset import Dataset, open_dataset
from tfrecords_schema.errors import DatasetError
from tfrecords_schema.index import (
    INDEX_SCHEMA,
    IndexRow,
    SplitIndex,
    read_metadata,
    read_rows,
    write_index,
)
from tfrecords_schema.manifest import (
    FORMAT_VERSION,
    Manifest,
    ShardEntry,
    SplitEntry,
    Statistics,
)
from tfrecords_schema.schema import InputSpec, LabelSpec, RecordSchema
from tfrecords_schema.tfds_metadata import write_tfds_metadata

__all__ = [
    "FORMAT_VERSION",
    "INDEX_SCHEMA",
    "Dataset",
    "DatasetError",
    "IndexRow",
    "InputSpec",
    "LabelSpec",
    "Manifest",
    "RecordSchema",
    "ShardEntry",
    "SplitEntry",
    "SplitIndex",
    "Statistics",
    "open_dataset",
    "read_metadata",
    "read_rows",
    "write_index",
    "write_tfds_metadata",
]

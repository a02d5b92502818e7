"""The contract on disk: records, names, index, manifest, and opening a dataset.

Imports neither `pipeline` nor `trainer`. Begin with `manifest.py`, which names all that a dataset
has. Its names are imported when they are asked for: errors alone must not wait for TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfrecords_schema.dataset import Dataset, open_dataset
    from tfrecords_schema.errors import DatasetError
    from tfrecords_schema.files import finish_dataset, hash_file
    from tfrecords_schema.index import IndexRow, SplitIndex, read_rows, write_index
    from tfrecords_schema.labels import Head, LabelSpec
    from tfrecords_schema.manifest import Manifest, ShardEntry, SplitEntry, Statistics
    from tfrecords_schema.schema import InputSpec, RecordSchema

__all__ = [
    "Dataset", "DatasetError", "Head", "IndexRow", "InputSpec", "LabelSpec", "Manifest",
    "RecordSchema", "ShardEntry", "SplitEntry", "SplitIndex", "Statistics", "finish_dataset",
    "hash_file", "open_dataset", "read_rows", "write_index",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in ("schema", "labels", "manifest", "errors", "files", "index", "dataset"):
            found = vars(importlib.import_module(f"{__name__}.{module}"))
            if name in found:
                return found[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

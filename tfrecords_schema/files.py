"""The files beside the shards: what makes a dataset of them, with hashes that tell damage."""

import dataclasses
import hashlib
import tempfile
from typing import TYPE_CHECKING

from tfrecords_schema.flushing import flush
from tfrecords_schema.manifest import FileEntry, Manifest
from tfrecords_schema.names import CLASS_NAMES, INDEX, MANIFEST, REJECTS, join
from tfrecords_schema.places import gfile
from tfrecords_schema.storage import atomic_write, read, reading, remove

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

_HASH_CHUNK_BYTES = 1 << 20


def hash_file(path: str) -> FileEntry:
    """Size in bytes and SHA-256 (hex) of a file at any path of `gfile`."""
    digest, size_bytes = hashlib.sha256(), 0
    with reading(path), gfile.open_file(path, "rb") as file:
        while chunk := file.read(_HASH_CHUNK_BYTES):
            digest.update(chunk)
            size_bytes += len(chunk)
    return FileEntry(size_bytes, digest.hexdigest())


def finish_dataset(path: str, manifest: Manifest) -> None:
    """Makes a dataset of a folder that has its shards and its index.

    Writes the metadata of tensorflow-datasets and, last and by rename, the manifest, once all
    files beside the shards are flushed; shards are before.

    Args:
      path: the dataset folder.
      manifest: what it holds, but for `files`.
    """
    remove(join(path, CLASS_NAMES))  # Of a dataset that this one replaces.
    names = [INDEX, *_write_tfds_metadata(path, manifest)]
    if gfile.exists(join(path, REJECTS)):
        names.append(REJECTS)
    files = {name: hash_file(join(path, name)) for name in names}
    for name in (*names, ""):
        flush(join(path, name))
    written = dataclasses.replace(manifest, files=files)
    atomic_write(join(path, MANIFEST), written.to_json().encode())


def _write_tfds_metadata(path: str, manifest: Manifest) -> list[str]:
    """Writes what lets `tfds.builder_from_directory` load the folder; returns the files' names.

    tensorflow-datasets writes to a local folder first: it knows fewer file systems than TensorFlow
    does.
    """
    with tempfile.TemporaryDirectory() as local:
        _info(local, manifest).write_to_directory(local)
        names = gfile.listdir(local)
        for name in names:
            atomic_write(join(path, name), read(join(local, name)) or b"")
    return names


def _info(data_dir: str, manifest: Manifest) -> "tfds.core.DatasetInfo":
    import tensorflow_datasets as tfds  # Which takes long, and only a conversion needs.

    template = tfds.core.ShardedFileTemplate(
        dataset_name=manifest.name,
        data_dir=data_dir,
        filetype_suffix="tfrecord",
        template="{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
    )
    identity = tfds.core.dataset_info.DatasetIdentity(
        name=manifest.name,
        version=tfds.core.Version(manifest.version),
        data_dir=data_dir,
        module_name="tfrecords_schema",
    )
    info = tfds.core.DatasetInfo(
        builder=identity, features=manifest.schema.features(), description=manifest.name
    )
    splits = [
        tfds.core.SplitInfo(
            name=name,
            shard_lengths=[shard.records for shard in entry.shards],
            num_bytes=entry.size_bytes,
            filename_template=template,
        )
        for name, entry in manifest.splits.items()
    ]
    info.set_splits(tfds.core.splits.SplitDict(splits))
    return info

"""The files beside the shards: hashed when a dataset is finished, so that damage can be found."""

import dataclasses
import hashlib

import tensorflow as tf

from tfrecords_schema.manifest import FileEntry, Manifest
from tfrecords_schema.names import (
    CLASS_NAMES,
    DATASET_INFO,
    FEATURES,
    INDEX,
    MANIFEST,
    REJECTS,
    join,
)
from tfrecords_schema.storage import atomic_write, remove
from tfrecords_schema.tfds_metadata import write_tfds_metadata

_HASH_CHUNK_BYTES = 1 << 20


def hash_file(path: str) -> FileEntry:
    """Size in bytes and SHA-256 (hex) of a file at any `tf.io.gfile` path."""
    digest, size_bytes = hashlib.sha256(), 0
    with tf.io.gfile.GFile(path, "rb") as file:
        while chunk := file.read(_HASH_CHUNK_BYTES):
            digest.update(chunk)
            size_bytes += len(chunk)
    return FileEntry(size_bytes, digest.hexdigest())


def finish_dataset(path: str, manifest: Manifest) -> Manifest:
    """Makes a dataset of a folder that has its shards and its index.

    Writes the metadata of tensorflow-datasets and, last and by rename, the manifest.

    Args:
      path: the dataset folder.
      manifest: what it holds, but for `files`.

    Returns:
      The manifest that was written.
    """
    remove(join(path, CLASS_NAMES))  # Of a dataset that this one replaces.
    write_tfds_metadata(path, manifest)
    names = (INDEX, REJECTS, FEATURES, DATASET_INFO, CLASS_NAMES)
    present = [name for name in names if tf.io.gfile.exists(join(path, name))]
    files = {name: hash_file(join(path, name)) for name in present}
    written = dataclasses.replace(manifest, files=files)
    atomic_write(join(path, MANIFEST), written.to_json().encode())
    return written

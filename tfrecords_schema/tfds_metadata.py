"""Metadata that lets `tfds.builder_from_directory` load a dataset folder."""

import tempfile

import tensorflow as tf
import tensorflow_datasets as tfds

from tfrecords_schema.manifest import Manifest, SplitEntry
from tfrecords_schema.names import join
from tfrecords_schema.storage import atomic_write


def write_tfds_metadata(dataset_dir: str, manifest: Manifest) -> None:
    """Writes `features.json` and `dataset_info.json` into the dataset folder.

    tensorflow-datasets writes them to a local folder first: it knows fewer file systems than
    TensorFlow does.
    """
    with tempfile.TemporaryDirectory() as local:
        _info(local, manifest).write_to_directory(local)
        for name in tf.io.gfile.listdir(local):
            with tf.io.gfile.GFile(join(local, name), "rb") as file:
                atomic_write(join(dataset_dir, name), file.read())


def _info(data_dir: str, manifest: Manifest) -> tfds.core.DatasetInfo:
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
    info.set_splits(
        tfds.core.splits.SplitDict(
            [_split_info(name, entry, template) for name, entry in manifest.splits.items()]
        )
    )
    return info


def _split_info(
    name: str, entry: SplitEntry, template: tfds.core.ShardedFileTemplate
) -> tfds.core.SplitInfo:
    return tfds.core.SplitInfo(
        name=name,
        shard_lengths=[shard.records for shard in entry.shards],
        num_bytes=entry.size_bytes,
        filename_template=template,
    )

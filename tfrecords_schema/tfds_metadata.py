"""Metadata that lets `tfds.builder_from_directory` load a dataset folder."""

import tensorflow_datasets as tfds

from tfrecords_schema.manifest import Manifest, SplitEntry


def write_tfds_metadata(dataset_dir: str, manifest: Manifest) -> None:
    """Writes `features.json` and `dataset_info.json` into the dataset folder."""
    template = tfds.core.ShardedFileTemplate(
        dataset_name=manifest.name,
        data_dir=dataset_dir,
        filetype_suffix="tfrecord",
        template="{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
    )
    identity = tfds.core.dataset_info.DatasetIdentity(
        name=manifest.name,
        version=tfds.core.Version(manifest.version),
        data_dir=dataset_dir,
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
    info.write_to_directory(dataset_dir)


def _split_info(
    name: str, entry: SplitEntry, template: tfds.core.ShardedFileTemplate
) -> tfds.core.SplitInfo:
    return tfds.core.SplitInfo(
        name=name,
        shard_lengths=[shard.records for shard in entry.shards],
        num_bytes=entry.size_bytes,
        filename_template=template,
    )

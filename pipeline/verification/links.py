"""Files of a dataset that are links: they lie elsewhere, where others may change or remove them."""

import os
from collections.abc import Iterator

from tfrecords_schema.flushing import local_path
from tfrecords_schema.manifest import Manifest
from tfrecords_schema.names import MANIFEST, join
from tfrecords_schema.storage import is_link


def linked_files(path: str, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Yields path and target of each link among the files of a dataset; stores have none.

    Args:
      path: of the dataset folder, which may be a link itself: it was named.
      manifest: that of the folder.
    """
    shards = [shard.file for entry in manifest.splits.values() for shard in entry.shards]
    folders = {path: (MANIFEST, *manifest.files)}
    source = manifest.shards_of or path
    folders[source] = (*folders.get(source, (MANIFEST,)), *shards)
    for folder, names in folders.items():
        for file in (join(folder, name) for name in names):
            if is_link(file):
                yield file, os.readlink(local_path(file) or "")

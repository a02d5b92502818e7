"""Names inside a dataset folder, and how small files are put there.

A dataset folder is `<output_dir>/<name>/<version>/`. All paths are those of
`tf.io.gfile`, so local folders, `gs://` and `hdfs://` read the same.
"""

import posixpath

import tensorflow as tf

from tfrecords_schema.owners import temporary_path

MANIFEST = "manifest.json"
INDEX = "index.parquet"
REJECTS = "rejects.jsonl"
FEATURES = "features.json"
DATASET_INFO = "dataset_info.json"
CLASS_NAMES = "label.labels.txt"
WORK_DIR = ".conversion"


def join(*parts: str) -> str:
    """Joins path parts with `/`, for every file system that `tf.io.gfile` knows."""
    return posixpath.join(*parts)


def shard_name(name: str, split: str, shard: int, num_shards: int) -> str:
    """File name of a shard, in the form that tensorflow-datasets expects.

    Args:
      name: name of the dataset.
      split: name of the split.
      shard: number of the shard, from 0.
      num_shards: number of shards in the split.
    """
    return f"{name}-{split}.tfrecord-{shard:05d}-of-{num_shards:05d}"


def atomic_write(path: str, content: bytes) -> None:
    """Writes a file under a temporary name beside `path`, then renames it over `path`."""
    temporary = temporary_path(path)
    try:
        with tf.io.gfile.GFile(temporary, "wb") as file:
            file.write(content)
        tf.io.gfile.rename(temporary, path, overwrite=True)
    except Exception:
        if tf.io.gfile.exists(temporary):
            tf.io.gfile.remove(temporary)
        raise

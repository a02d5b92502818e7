"""Names inside a dataset folder.

A dataset folder is `<output_dir>/<name>/<version>/`. All paths are those of
`places/gfile.py`, so local folders, `s3://` and `gs://` read the same.
"""

import posixpath

MANIFEST = "manifest.json"
INDEX = "index.parquet"
REJECTS = "rejects.jsonl"
CLASS_NAMES = "label.labels.txt"
WORK_DIR = ".conversion"
UNLABELLED = "unlabelled"  # The split of records of which no label is known.
OUTCOME = "outcome.json"  # In it: how a conversion that committed nothing ended.


def join(*parts: str) -> str:
    """Joins path parts with `/`, for every kind of place."""
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


WIDER_KINDS = {"ordinal": "class"}
"""By kind of labels the one that it is a case of: what is done with that, is done with it."""

"""Proves that a dataset folder is whole: every byte is the one that was written.

The manifest carries its own checksum and those of all other files, so a file that fits its
entry is as it was; what remains to be seen is that nothing is missing, nothing is left over,
and that the index describes the shards from their first byte to their last.
"""

import collections
from collections.abc import Iterator

import tensorflow as tf

from tfrecords_schema.dataset import read_manifest
from tfrecords_schema.errors import DatasetError
from tfrecords_schema.files import hash_file
from tfrecords_schema.index import read_rows
from tfrecords_schema.manifest import FileEntry, Manifest
from tfrecords_schema.names import INDEX, MANIFEST, join

_COPY = "copy it again, or convert again with --overwrite"


def verify_dataset(path: str) -> Iterator[str]:
    """Yields every problem of a dataset folder as one line; reads each file once.

    Args:
      path: `<output_dir>/<name>/<version>`.
    """
    path = path.rstrip("/")
    try:
        manifest = read_manifest(path)
    except DatasetError as error:
        yield str(error)
        return
    expected = _expected_files(manifest)
    yield from _strays(path, expected)
    whole = True
    for name, entry in sorted(expected.items()):
        for problem in _check_file(join(path, name), entry):
            whole = False
            yield problem
    if whole:
        yield from _check_index(path, manifest)


def _expected_files(manifest: Manifest) -> dict[str, FileEntry]:
    shards = {
        shard.file: FileEntry(shard.size_bytes, shard.sha256)
        for split in manifest.splits.values()
        for shard in split.shards
    }
    return {**manifest.files, **shards}


def _strays(path: str, expected: dict[str, FileEntry]) -> Iterator[str]:
    for name in sorted(tf.io.gfile.listdir(path)):
        if name.rstrip("/") not in expected and name != MANIFEST:
            yield (
                f"{join(path, name)} does not belong to the dataset: it was left by another "
                "conversion or put there; remove it"
            )


def _check_file(path: str, entry: FileEntry) -> Iterator[str]:
    try:
        found = hash_file(path)
    except tf.errors.OpError as error:
        yield f"{path} cannot be read ({type(error).__name__}); {_COPY}"
        return
    if found.size_bytes != entry.size_bytes:
        yield f"{path} has {found.size_bytes} bytes, expected {entry.size_bytes}; {_COPY}"
    elif found.sha256 != entry.sha256:
        yield f"{path} is damaged: its SHA-256 is not the manifest's; {_COPY}"


def _check_index(path: str, manifest: Manifest) -> Iterator[str]:
    """Records must follow each other in their shards without a gap, as many as there are."""
    ends: collections.Counter[tuple[str, int]] = collections.Counter()
    records: collections.Counter[tuple[str, int]] = collections.Counter()
    ids: set[int] = set()
    for row in read_rows(join(path, INDEX)):
        place = (row.split, row.shard)
        if row.offset != ends[place]:
            yield (
                f"{join(path, INDEX)}: record {row.id!r} is said to be at byte {row.offset} of "
                f"shard {row.shard} of split {row.split!r}, expected {ends[place]}; convert again"
            )
        if hash(row.id) in ids:
            yield f"{join(path, INDEX)}: id {row.id!r} occurs twice; convert again"
        ids.add(hash(row.id))
        ends[place] = row.offset + row.size_bytes
        records[place] += 1
    for split, entry in manifest.splits.items():
        for number, shard in enumerate(entry.shards):
            found = (records[split, number], ends[split, number])
            if found != (shard.records, shard.size_bytes):
                yield (
                    f"{shard.file}: the index has {found[0]} records in {found[1]} bytes, the "
                    f"manifest {shard.records} in {shard.size_bytes}; convert again"
                )

"""Proves that a dataset folder is whole: every byte is the one that was written.

The manifest carries its own checksum and those of all other files, so a file that fits its
entry is as it was; what remains to be seen is that nothing is missing, nothing is left over, and
that index, schema and records describe each other, whoever wrote them. Each file is read once,
the index twice.
"""

import hashlib
import itertools
import struct
from collections.abc import Iterator

import tensorflow as tf

from tfrecords_schema.dataset import read_manifest
from tfrecords_schema.errors import DatasetError
from tfrecords_schema.files import hash_file
from tfrecords_schema.index import IndexRow, read_rows
from tfrecords_schema.manifest import FileEntry, Manifest, ShardEntry
from tfrecords_schema.names import INDEX, MANIFEST, WORK_DIR, join
from tfrecords_schema.record_check import record_problem
from tfrecords_schema.schema import RecordSchema

_COPY = "copy it again, or convert again with --overwrite"
_CHUNK_BYTES = 1 << 20
_HEADER_BYTES, _FOOTER_BYTES = 12, 4  # Around a record: its length and checksums.


def verify_dataset(path: str) -> Iterator[str]:
    """Yields every problem of a dataset folder as one line; reads each shard once.

    Args:
      path: `<output_dir>/<name>/<version>`.
    """
    path = path.rstrip("/")
    try:
        manifest = read_manifest(path)
    except DatasetError as error:
        yield str(error)
        return
    yield from _strays(path, manifest)
    problems = [
        problem
        for name, entry in sorted(manifest.files.items())
        for problem in _check_file(join(path, name), entry)
    ]
    yield from problems
    if INDEX not in manifest.files:
        yield f"{MANIFEST} says nothing of {INDEX}; convert again"
    if manifest.shards_of:
        yield from _check_source(path, manifest.shards_of)
        return
    has_index = INDEX in manifest.files and not problems
    yield from _check_shards(path, manifest, has_index)


def _strays(path: str, manifest: Manifest) -> Iterator[str]:
    shards = {shard.file for entry in manifest.splits.values() for shard in entry.shards}
    expected = {*manifest.files, *(() if manifest.shards_of else shards), MANIFEST}
    for name in sorted(tf.io.gfile.listdir(path)):
        name = name.rstrip("/")
        if name == WORK_DIR:
            yield (
                f"{join(path, name)} was left by a conversion that runs or was interrupted; run it "
                "again, or remove the folder"
            )
        elif name not in expected:
            yield (
                f"{join(path, name)} does not belong to the dataset: it was left by another "
                "conversion or put there; remove it"
            )


def _check_source(path: str, source: str) -> Iterator[str]:
    """The dataset that records were selected of; never a selection itself, so this ends."""
    try:
        is_selection = bool(read_manifest(source).shards_of)
    except DatasetError as error:
        yield str(error)
        return
    if is_selection:
        yield f"{path} is a selection of {source}, which has no shards of its own; make it again"
    else:
        yield from verify_dataset(source)


def _check_file(path: str, entry: FileEntry) -> Iterator[str]:
    try:
        yield from _differences(path, hash_file(path), entry)
    except tf.errors.OpError as error:
        yield _unreadable(path, error)


def _differences(path: str, found: FileEntry, entry: FileEntry) -> Iterator[str]:
    if found.size_bytes != entry.size_bytes:
        yield f"{path} has {found.size_bytes} bytes, expected {entry.size_bytes}; {_COPY}"
    elif found.sha256 != entry.sha256:
        yield f"{path} is damaged: its SHA-256 is not the manifest's; {_COPY}"


def _unreadable(path: str, error: tf.errors.OpError) -> str:
    return f"{path} cannot be read ({type(error).__name__}); {_COPY}"


def _check_shards(path: str, manifest: Manifest, has_index: bool) -> Iterator[str]:
    """All shards in the index's order, with the rows of one in memory, then those not in it."""
    shards = {
        (split, number): shard
        for split, entry in sorted(manifest.splits.items())
        for number, shard in enumerate(entry.shards)
    }
    ids: set[int] = set()
    rows = read_rows(join(path, INDEX)) if has_index else iter(())
    for (split, number), members in itertools.groupby(rows, lambda row: (row.split, row.shard)):
        shard = shards.pop((split, number), None)
        if shard is None:
            yield (
                f"{join(path, INDEX)}: shard {number} of split {split!r} is not in the manifest or "
                "comes twice; convert again"
            )
            continue
        listed = list(members)
        yield from _check_rows(path, shard, listed, ids)
        yield from _check_shard(path, shard, listed, manifest)
    for shard in shards.values():
        if has_index and shard.records:
            yield f"{join(path, INDEX)}: no record of {shard.file} is in it; convert again"
        yield from _check_shard(path, shard, [], manifest)


def _check_rows(path: str, shard: ShardEntry, rows: list[IndexRow], ids: set[int]) -> Iterator[str]:
    """Records must follow each other without a gap, as many as there are, each with its own id."""
    end = 0
    for row in rows:
        if row.offset != end:
            yield (
                f"{join(path, INDEX)}: record {row.id!r} is said to be at byte {row.offset} of "
                f"{shard.file}, expected {end}; convert again"
            )
        if hash(row.id) in ids:
            yield f"{join(path, INDEX)}: id {row.id!r} occurs twice; convert again"
        ids.add(hash(row.id))
        end = row.offset + row.size_bytes
    if (len(rows), end) != (shard.records, shard.size_bytes):
        yield (
            f"{shard.file}: the index has {len(rows)} records in {end} bytes, the manifest "
            f"{shard.records} in {shard.size_bytes}; convert again"
        )


def _check_shard(
    path: str, shard: ShardEntry, rows: list[IndexRow], manifest: Manifest
) -> Iterator[str]:
    """Reads a shard once: its hash, and, if the index fits the manifest, each of its records."""
    place = join(path, shard.file)
    fits = sum(row.size_bytes for row in rows) == shard.size_bytes
    digest, size_bytes = hashlib.sha256(), 0
    problems: list[str] = []
    try:
        with tf.io.gfile.GFile(place, "rb") as file:
            for row in rows if fits else []:
                framed = file.read(row.size_bytes)
                digest.update(framed)
                size_bytes += len(framed)
                problems += _record_problems(framed, row, manifest.schema)
            while content := file.read(_CHUNK_BYTES):
                digest.update(content)
                size_bytes += len(content)
    except tf.errors.OpError as error:
        yield _unreadable(place, error)
        return
    entry = FileEntry(shard.size_bytes, shard.sha256)
    yield from _differences(place, FileEntry(size_bytes, digest.hexdigest()), entry)
    for problem in problems:
        yield f"{place}: {problem}"


def _record_problems(framed: bytes, row: IndexRow, schema: RecordSchema) -> Iterator[str]:
    content = framed[_HEADER_BYTES:-_FOOTER_BYTES]
    if framed[:8] != struct.pack("<Q", len(content)):
        problem = "its length is not the one in the index"
    else:
        problem = record_problem(content, row, schema)
    if problem:
        yield f"record {row.id!r} at byte {row.offset} is not what the index says: {problem}"

"""Proves that a dataset folder is whole: every byte is the one that was written.

The manifest carries its own checksum and those of all other files, so a file that fits its
entry is as it was. Whoever wrote them, nothing may be missing or left over, and index, schema,
counts, statistics and records must describe each other. Each file is read once, the index twice;
in memory are the rows of one shard, and a hash of each id and group.
"""

import hashlib
import itertools
import struct
from collections.abc import Iterator

import tensorflow as tf

from pipeline.verification.record_check import Checked, check_record
from pipeline.verification.recount import Recount
from tfrecords_schema.dataset import check_rows, read_manifest
from tfrecords_schema.errors import DatasetError
from tfrecords_schema.files import hash_file
from tfrecords_schema.index import IndexRow, read_rows
from tfrecords_schema.manifest import FileEntry, Manifest, ShardEntry
from tfrecords_schema.names import INDEX, MANIFEST, WORK_DIR, join
from tfrecords_schema.places import gfile
from tfrecords_schema.record_writer import FRAMING_BYTES, masked_crc
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
    has_index = INDEX in manifest.files and not problems
    if has_index:
        try:
            check_rows(join(path, INDEX), manifest)
        except DatasetError as error:
            yield str(error)
            has_index = False
    if manifest.shards_of:
        yield from _check_source(path, manifest, has_index)
    else:
        yield from _check_shards(path, manifest, has_index)


def _strays(path: str, manifest: Manifest) -> Iterator[str]:
    shards = {shard.file for entry in manifest.splits.values() for shard in entry.shards}
    expected = {*manifest.files, *(() if manifest.shards_of else shards), MANIFEST}
    for name in sorted(gfile.listdir(path)):
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


def _check_source(path: str, manifest: Manifest, has_index: bool) -> Iterator[str]:
    """The dataset that records were selected of; never a selection itself, so this ends."""
    try:
        source = read_manifest(manifest.shards_of)
    except DatasetError as error:
        yield str(error)
        return
    if source.shards_of:
        yield (
            f"{path} is a selection of {manifest.shards_of}, which has no shards of its own; make "
            "it again"
        )
        return
    problems = [*verify_dataset(manifest.shards_of)]
    yield from problems
    if has_index and not problems:
        yield from _check_selection(path, manifest, source)


def _check_selection(path: str, manifest: Manifest, source: Manifest) -> Iterator[str]:
    """The rows of a selection must be some of its source's."""
    known = {
        _place(row, source): hash((row.id, row.group, row.size_bytes, row.steps, row.label_steps))
        for row in read_rows(join(manifest.shards_of, INDEX))
    }
    recount = Recount(manifest)
    for row in read_rows(join(path, INDEX)):
        recount.add_row(row)
        about = hash((row.id, row.group, row.size_bytes, row.steps, row.label_steps))
        if known.pop(_place(row, manifest), None) != about:
            yield (
                f"{join(path, INDEX)}: record {row.id!r} is not one of {manifest.shards_of}, or "
                "comes twice; make the selection again"
            )
    for problem in recount.problems(of_records=False):
        yield f"{path}: {problem}; make the selection again"


def _place(row: IndexRow, manifest: Manifest) -> int:
    """Where a record is, as a hash of shard and offset."""
    shards = manifest.splits[row.split].shards if row.split in manifest.splits else ()
    file = shards[row.shard].file if 0 <= row.shard < len(shards) else ""
    return hash((file, row.offset))


def _check_file(path: str, entry: FileEntry) -> Iterator[str]:
    try:
        size_bytes = gfile.stat(path).length  # Before all is read, which may be any amount.
        found = hash_file(path) if size_bytes == entry.size_bytes else FileEntry(size_bytes, "")
        yield from _differences(path, found, entry)
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
    recount, is_counted = Recount(manifest), has_index
    rows = read_rows(join(path, INDEX)) if has_index else iter(())
    for (split, number), members in itertools.groupby(rows, lambda row: (row.split, row.shard)):
        shard = shards.pop((split, number), None)
        if shard is None:
            is_counted = False
            yield (
                f"{join(path, INDEX)}: shard {number} of split {split!r} is not in the manifest or "
                "comes twice; convert again"
            )
            continue
        listed = list(members)
        for problem in _check_rows(path, shard, listed, ids):
            is_counted = False
            yield problem
        for problem in _check_shard(path, shard, listed, manifest, recount):
            is_counted = False
            yield problem
    for shard in shards.values():
        is_counted = is_counted and not shard.records
        if has_index and shard.records:
            yield f"{join(path, INDEX)}: no record of {shard.file} is in it; convert again"
        yield from _check_shard(path, shard, [], manifest, recount)
    if is_counted:  # Else more would be said than there is.
        for problem in recount.problems():
            yield f"{join(path, MANIFEST)}: {problem}; convert again"


def _check_rows(path: str, shard: ShardEntry, rows: list[IndexRow], ids: set[int]) -> Iterator[str]:
    """Records must follow each other without a gap, as many as there are, each with its own id."""
    end = 0
    for row in rows:
        if row.offset != end:
            yield (
                f"{join(path, INDEX)}: record {row.id!r} is said to be at byte {row.offset} of "
                f"{shard.file}, expected {end}; convert again"
            )
        if row.size_bytes < FRAMING_BYTES:
            yield (
                f"{join(path, INDEX)}: record {row.id!r} is said to have {row.size_bytes} bytes; "
                "convert again"
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
    path: str, shard: ShardEntry, rows: list[IndexRow], manifest: Manifest, recount: Recount
) -> Iterator[str]:
    """Reads a shard once: its hash, and, if the index fits the manifest, each of its records."""
    place = join(path, shard.file)
    sizes = [row.size_bytes for row in rows]
    fits = sum(sizes) == shard.size_bytes and min(sizes, default=0) >= 0
    digest, size_bytes = hashlib.sha256(), 0
    problems: list[str] = []
    try:
        with gfile.open_file(place, "rb") as file:
            for row in rows if fits else []:
                framed = file.read(row.size_bytes)
                digest.update(framed)
                size_bytes += len(framed)
                found = _check_record(framed, row, manifest.schema)
                recount.add_row(row)
                if found.problem:
                    problems.append(
                        f"record {row.id!r} at byte {row.offset} is not what the index says: "
                        f"{found.problem}"
                    )
                else:
                    recount.add_record(row.split, found)
            while size_bytes <= shard.size_bytes and (content := file.read(_CHUNK_BYTES)):
                digest.update(content)
                size_bytes += len(content)
        size_bytes = max(size_bytes, gfile.stat(place).length)
    except tf.errors.OpError as error:
        yield _unreadable(place, error)
        return
    entry = FileEntry(shard.size_bytes, shard.sha256)
    yield from _differences(place, FileEntry(size_bytes, digest.hexdigest()), entry)
    for problem in problems:
        yield f"{place}: {problem}"


def _check_record(framed: bytes, row: IndexRow, schema: RecordSchema) -> Checked:
    length, content = framed[:8], framed[_HEADER_BYTES:-_FOOTER_BYTES]
    if length != struct.pack("<Q", len(content)):
        return Checked("its length is not the one in the index")
    checksums = framed[8:_HEADER_BYTES], framed[-_FOOTER_BYTES:]
    if checksums != (masked_crc(length), masked_crc(content)):
        return Checked("its checksum does not fit, so no reader takes it")
    return check_record(content, row, schema)

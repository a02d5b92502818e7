"""MosaicML streaming with the SHA-256 of each shard, as ours has it."""

from collections.abc import Iterable

from benchmarks.peers.loaders import mosaic_streaming
from benchmarks.peers.loaders.plain_arrays import Record


def write(records: Iterable[Record], folder: str) -> None:
    """Writes shards of 64 MB and their hashes."""
    mosaic_streaming.write(records, folder, ["sha256"])

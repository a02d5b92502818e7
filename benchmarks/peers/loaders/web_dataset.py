"""WebDataset: tar files, read from end to end; a buffer of the whole set shuffles."""

import pathlib
from collections.abc import Callable, Iterable

import torch
import webdataset as wds

from benchmarks.peers.loaders.plain_arrays import PlainArrays, Record
from benchmarks.peers.loaders.torch_memory_map import collate

_NUM_SHARDS = 8


def write(records: Iterable[Record], folder: str) -> None:
    """Writes two members a record, arrays in the format of npy."""
    shards = [wds.TarWriter(f"{folder}/{number}.tar") for number in range(_NUM_SHARDS)]
    for number, (name, signal, label) in enumerate(records):
        members = {"__key__": name, "signal.npy": signal, "label.npy": label}
        shards[number % _NUM_SHARDS].write(members)
    for shard in shards:
        shard.close()


def batches(
    recordings: PlainArrays, folder: str, batch_size: int, epochs: int, workers: int
) -> Callable[[], Iterable]:
    """What goes through so many epochs; batches are random, a stream cannot be bucketed."""
    paths = sorted(map(str, pathlib.Path(folder).glob("*.tar")))
    # Each worker has its share of the shards, and shuffles that.
    buffer = -(-len(recordings) // max(workers, 1))
    records = wds.WebDataset(paths, shardshuffle=len(paths), empty_check=False)
    records = records.shuffle(buffer, initial=buffer).decode().to_tuple("signal.npy", "label.npy")
    stream = records.batched(batch_size, collation_fn=_collate)
    loader = wds.WebLoader(
        stream, batch_size=None, num_workers=workers, persistent_workers=workers > 0
    )
    return lambda: (batch for _ in range(epochs) for batch in loader)


def _collate(rows: list) -> tuple[torch.Tensor, ...]:
    return collate([tuple(map(torch.from_numpy, row)) for row in rows])

"""MosaicML streaming: shards of MDS on this machine, read by PyTorch's DataLoader."""

from collections.abc import Callable, Iterable, Sequence

import torch
from streaming import LocalDataset, MDSWriter

from benchmarks.peers.loaders.plain_arrays import PlainArrays, Record
from benchmarks.peers.loaders.torch_memory_map import bucketed, collate


def write(records: Iterable[Record], folder: str, hashes: Sequence[str] = ()) -> None:
    """Writes shards of 64 MB, as is the default: no compression, no hashes."""
    columns = {"id": "str", "signal": "ndarray:float32", "label": "ndarray:int64"}
    with MDSWriter(out=folder, columns=columns, hashes=[*hashes], exist_ok=True) as writer:
        for name, signal, label in records:
            writer.write({"id": name, "signal": signal, "label": label})


def batches(
    recordings: PlainArrays, folder: str, batch_size: int, epochs: int, workers: int
) -> Callable[[], Iterable]:
    """What goes through so many epochs, bucketed by length."""
    return bucketed(LocalDataset(folder), recordings, batch_size, epochs, workers, _collate)


def _collate(rows: list[dict]) -> tuple[torch.Tensor, ...]:
    return collate(
        [tuple(torch.from_numpy(row[key]) for key in ("signal", "label")) for row in rows]
    )

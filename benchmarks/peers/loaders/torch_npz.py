"""PyTorch's DataLoader on npz files, one a recording."""

import pathlib
from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch.utils.data import Dataset

from benchmarks.peers.loaders.plain_arrays import PlainArrays, Record
from benchmarks.peers.loaders.torch_memory_map import bucketed


def write(records: Iterable[Record], folder: str) -> None:
    """Writes `ID.npz`."""
    for name, signal, label in records:
        np.savez(f"{folder}/{name}.npz", signal=signal, label=label)


class _Files(Dataset):
    def __init__(self, folder: str):
        self._paths = sorted(pathlib.Path(folder).glob("*.npz"))

    def __getitem__(self, record: int) -> tuple[torch.Tensor, torch.Tensor]:
        with np.load(self._paths[record]) as arrays:
            return torch.from_numpy(arrays["signal"]), torch.from_numpy(arrays["label"])


def batches(
    recordings: PlainArrays, folder: str, batch_size: int, epochs: int, workers: int
) -> Callable[[], Iterable]:
    """What goes through so many epochs, bucketed by length."""
    return bucketed(_Files(folder), recordings, batch_size, epochs, workers)

"""PyTorch's DataLoader on memory-mapped arrays: slices of a file, padded by `pad_sequence`."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from benchmarks.peers.loaders.plain_arrays import BucketedOrders, PlainArrays


class _Slices(Dataset):
    def __init__(self, recordings: PlainArrays):
        self._places = recordings.places
        self._signal = torch.from_numpy(recordings.signal)
        self._label = torch.from_numpy(recordings.label)

    def __getitem__(self, record: int) -> tuple[torch.Tensor, torch.Tensor]:
        steps, labels = self._places(record)
        return self._signal[steps], self._label[labels]


def batches(
    recordings: PlainArrays, folder: str, batch_size: int, epochs: int, workers: int
) -> Callable[[], Iterable]:
    """What goes through so many epochs, bucketed by length; no files of its own."""
    del folder
    return bucketed(_Slices(recordings), recordings, batch_size, epochs, workers)


def collate(rows: list[tuple[torch.Tensor, torch.Tensor]]) -> tuple[torch.Tensor, ...]:
    """Pads."""
    signals, labels = zip(*rows, strict=True)
    lengths = torch.tensor([len(signal) for signal in signals])
    return pad_sequence(signals, batch_first=True), pad_sequence(labels, batch_first=True), lengths


def bucketed(
    dataset: Any,
    recordings: PlainArrays,
    batch_size: int,
    epochs: int,
    workers: int,
    padded: Callable[[list], tuple[torch.Tensor, ...]] = collate,
) -> Callable[[], Iterable]:
    """A DataLoader of so many epochs of any dataset with the numbers of these recordings."""
    loader = DataLoader(
        dataset,
        batch_sampler=BucketedOrders(recordings, batch_size, epochs),
        collate_fn=padded,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    return lambda: loader

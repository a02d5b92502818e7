"""Recordings one after the other in plain arrays: what each tool's files are made from.

`signal.npy` [all steps, *step_shape] float32, `label.npy` int64, one a step or one a record, and
`steps.npy` [records] int64; `boundaries.npy`, the padded lengths that batches are bucketed by.
"""

import pathlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

Record = tuple[str, np.ndarray, np.ndarray]
"""Name, signal `[time, *step_shape]`, labels `[time]` or `[1]`."""
Batch = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Signal `[batch, longest, *step_shape]`, labels `[batch, longest]` or `[batch, 1]`, lengths."""


class PlainArrays:
    """The recordings of a folder, in memory that is the file's.

    Attributes:
      steps, boundaries, signal, label: as they are on the disk.
    """

    def __init__(self, folder: str | pathlib.Path):
        self.steps, self.boundaries = (_mapped(folder, name) for name in ("steps", "boundaries"))
        # Copy on write, as PyTorch warns of memory that must not be written to.
        self.signal, self.label = (_mapped(folder, name, "c") for name in ("signal", "label"))
        self._starts = np.concatenate([[0], np.cumsum(self.steps)]).tolist()
        self._per_step = len(self.label) == self._starts[-1] > len(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def places(self, record: int) -> tuple[slice, slice]:
        """Where a record is in `signal` and in `label`."""
        steps = slice(self._starts[record], self._starts[record + 1])
        return steps, steps if self._per_step else slice(record, record + 1)

    def __iter__(self) -> Iterator[Record]:
        for record in range(len(self)):
            steps, labels = self.places(record)
            yield f"{record:06d}", self.signal[steps], self.label[labels]


def _mapped(folder: str | pathlib.Path, name: str, mode: str = "r") -> np.ndarray:
    # As an array of its own kind a slice takes several times as long.
    return np.asarray(np.load(pathlib.Path(folder, f"{name}.npy"), mmap_mode=mode))


def write_plain(folder: pathlib.Path, records: Iterable[Record], boundaries: np.ndarray) -> None:
    """Writes the arrays of all recordings."""
    _, signals, labels = zip(*records, strict=True)
    folder.mkdir(parents=True)
    np.save(folder / "steps.npy", np.array([len(signal) for signal in signals]))
    np.save(folder / "signal.npy", np.concatenate(signals))
    np.save(folder / "label.npy", np.concatenate(labels))
    np.save(folder / "boundaries.npy", boundaries)


def npz_records(folder: str) -> Iterator[Record]:
    """Those of `ID.npz` with `signal` and `label`, in order of name."""
    for path in sorted(pathlib.Path(folder).glob("*.npz")):
        with np.load(path) as arrays:
            yield path.stem, arrays["signal"], arrays["label"]


class BucketedOrders:
    """Row numbers of batches of like length: a new order of all records in every epoch.

    The sampler that many have written: records in random order, of each bucket a batch as soon as
    it is full, what remains in smaller ones, batches in random order.
    """

    def __init__(self, recordings: PlainArrays, batch_size: int, epochs: int):
        """Each iteration goes through so many epochs."""
        self._bucket = np.searchsorted(recordings.boundaries, recordings.steps)
        self._batch_size, self._epochs = batch_size, epochs
        self._random = np.random.default_rng(0)

    def __iter__(self) -> Iterator[list[int]]:
        for _ in range(self._epochs):
            order = self._random.permutation(len(self._bucket))
            bucket = self._bucket[order]
            rows = [order[bucket == number].tolist() for number in range(bucket.max() + 1)]
            size = self._batch_size
            batches = [part[i : i + size] for part in rows for i in range(0, len(part), size)]
            for number in self._random.permutation(len(batches)):
                yield batches[number]


def padded(signals: Sequence[np.ndarray], labels: Sequence[np.ndarray]) -> Batch:
    """Rows of one batch, with zeros behind their ends."""
    lengths = np.array([len(signal) for signal in signals])
    return _padded(signals), _padded(labels), lengths


def _padded(rows: Sequence[np.ndarray]) -> np.ndarray:
    longest = max(map(len, rows))
    # Not `zeros`, which is fresh memory each time and takes a tenth longer.
    batch = np.empty((len(rows), longest, *rows[0].shape[1:]), rows[0].dtype)
    for place, row in zip(batch, rows, strict=True):
        place[: len(row)] = row
        place[len(row) :] = 0
    return batch

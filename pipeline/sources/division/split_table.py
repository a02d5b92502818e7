"""Splits that groups have whatever their hash says."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from tfrecords_schema.dataset import open_dataset
from tfrecords_schema.index import splits_of_groups
from tfrecords_schema.names import INDEX, UNLABELLED, join


@dataclasses.dataclass(frozen=True)
class SplitTable:
    """The split of each of many groups: 12 bytes a group.

    Attributes:
      hashes: `[groups]` uint64 of the groups, ascending.
      numbers: `[groups]` int32, which of the names.
      names: of the splits.
      dataset: name and version of the one that they are from; empty if from none.
    """

    hashes: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, np.uint64))
    numbers: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, np.int32))
    names: tuple[str, ...] = ()
    dataset: str = ""

    @classmethod
    def of_dataset(cls, path: str, hash_of: Callable[[str], int]) -> SplitTable:
        """That of a dataset folder, from its index.

        Raises:
          DatasetError: it is none.
        """
        dataset = open_dataset(path)
        names = tuple(name for name in dataset.manifest.splits if name != UNLABELLED)
        pairs = np.fromiter(
            (
                (hash_of(group), names.index(split))
                for group, split in splits_of_groups(join(path, INDEX))
                if split != UNLABELLED
            ),
            np.dtype([("hash", np.uint64), ("number", np.int32)]),
        )
        hashes, first = np.unique(pairs["hash"], return_index=True)
        about = f"{dataset.manifest.name} {dataset.manifest.version}"
        return cls(hashes, pairs["number"][first], names, about)

    def numbers_of(self, hashes: np.ndarray) -> np.ndarray:
        """`[groups]` int32: which of the names each group has; -1 for a group that is not here."""
        if not len(self.hashes):
            return np.full(len(hashes), -1, np.int32)
        at = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        return np.where(self.hashes[at] == hashes, self.numbers[at], np.int32(-1))

    def split_of(self, group_hash: int) -> str:
        """The split of a group; empty for one that is not here."""
        number = int(self.numbers_of(np.array([group_hash], np.uint64))[0])
        return self.names[number] if number >= 0 else ""

"""What is known of a dataset from its manifest, index and rejects."""

import dataclasses
import functools
import json
from typing import Any

import numpy as np
import pyarrow.compute as pc
import tensorflow as tf

from pipeline.batches.boundaries import optimal_boundaries, padding_share
from pipeline.batches.plan import plan_lengths, plans_labels
from pipeline.inspect.shortcuts import Shortcut, shortcuts
from pipeline.sources.rejects import group_rejects
from pipeline.sources.source import Reject
from tfrecords_schema import Dataset, DatasetError, SplitEntry
from tfrecords_schema.index import group_totals, shared_groups
from tfrecords_schema.names import INDEX, REJECTS, join
from tfrecords_schema.places import gfile

_BUCKET_COUNTS = (1, 2, 4, 8, 16, 30)
_USUAL_BUCKETS = 8
_USUAL_ORDER = ("train", "validation", "test")
_MAX_GROUPS = 20


@dataclasses.dataclass(frozen=True)
class SplitFacts:
    """One split: its entry in the manifest, and its lengths in steps (0 if it is empty)."""

    name: str
    entry: SplitEntry
    shortest: int
    median: int
    longest: int


@dataclasses.dataclass(frozen=True)
class Buckets:
    """Padded lengths that pad least, and the share of all padded steps that is padding."""

    boundaries: tuple[int, ...]
    padding_share: float


@dataclasses.dataclass(frozen=True)
class Lengths:
    """Lengths of one split, as batches are planned by them.

    Attributes:
      split: name of the split.
      histogram: number of records for each length, ascending.
      of_labels: whether the lengths are those of label sequences, every input being one step.
    """

    split: str
    histogram: dict[int, int]
    of_labels: bool

    @functools.cached_property
    def buckets(self) -> list[Buckets]:
        """For each of 1, 2, 4, ... buckets, until every length has its own."""
        rows: list[Buckets] = []
        for count in _BUCKET_COUNTS:
            boundaries = optimal_boundaries(self.histogram, count)
            row = Buckets(tuple(boundaries.tolist()), padding_share(self.histogram, boundaries))
            if row not in rows:
                rows.append(row)
        return rows

    @property
    def usual(self) -> Buckets:
        """The buckets that a training has unless it is told otherwise."""
        return [row for row in self.buckets if len(row.boundaries) <= _USUAL_BUCKETS][-1]


@dataclasses.dataclass(frozen=True)
class Groups:
    """Groups of all splits.

    Attributes:
      number: of different groups.
      shared: groups that have records in more than one split.
      largest: some rows of `group_totals`, those with the most records first.
    """

    number: int
    shared: int
    largest: list[dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Facts:
    """All of it; `lengths` is None where no split has records."""

    dataset: Dataset
    splits: list[SplitFacts]
    lengths: Lengths | None
    groups: Groups
    rejects: list[dict[str, Any]]

    @functools.cached_property
    def shortcuts(self) -> list[Shortcut]:
        """What a trivial model reaches; reads some records when it is asked for."""
        return shortcuts(self.dataset)

    @property
    def records(self) -> int:
        """Records of all splits."""
        return sum(split.entry.records for split in self.splits)


def gather(dataset: Dataset, split: str | None = None) -> Facts:
    """Looks a dataset over.

    Args:
      dataset: the dataset.
      split: whose lengths are shown; None for the training split, or else the largest.

    Raises:
      DatasetError: if there is no such split, or it is empty, or the rejects cannot be read.
    """
    split = split or usual_split(dataset)
    return Facts(
        dataset=dataset,
        splits=_splits(dataset),
        lengths=lengths_of(dataset, split) if split else None,
        groups=_groups(dataset),
        rejects=_rejects(dataset),
    )


def usual_split(dataset: Dataset) -> str | None:
    """The training split, or else the largest; None if no split has records."""
    records = {name: entry.records for name, entry in dataset.manifest.splits.items()}
    if records.get("train"):
        return "train"
    largest = max(records, key=lambda name: records[name], default=None)
    return largest if largest and records[largest] else None


def _splits(dataset: Dataset) -> list[SplitFacts]:
    entries = dataset.manifest.splits.items()
    order = {name: number for number, name in enumerate(_USUAL_ORDER)}
    in_order = sorted(entries, key=lambda item: (order.get(item[0], len(order)), item[0]))
    return [SplitFacts(name, entry, *_spread(entry)) for name, entry in in_order]


def _spread(entry: SplitEntry) -> tuple[int, int, int]:
    """Least, middle and greatest length."""
    lengths = np.array(sorted(entry.length_histogram))
    counts = np.array([entry.length_histogram[length] for length in lengths.tolist()])
    total = counts.sum()  # A manifest may say another number of records; `verify` tells.
    if not total:
        return 0, 0, 0
    middle = np.searchsorted(np.cumsum(counts), (total + 1) // 2)
    return int(lengths[0]), int(lengths[middle]), int(lengths[-1])


def lengths_of(dataset: Dataset, split: str) -> Lengths:
    """The lengths of a split with records, as batches of it are planned by them."""
    index, label = dataset.split(split), dataset.schema.label
    lengths, records = np.unique(plan_lengths(index, label), return_counts=True)
    histogram = dict(zip(lengths.tolist(), records.tolist(), strict=True))
    return Lengths(split, histogram, plans_labels(index, label))


def _groups(dataset: Dataset) -> Groups:
    totals = group_totals(join(dataset.path, INDEX))
    largest = totals.slice(0, _MAX_GROUPS).to_pylist()
    return Groups(pc.count_distinct(totals["group"]).as_py(), shared_groups(totals), largest)


def _rejects(dataset: Dataset) -> list[dict[str, Any]]:
    path = join(dataset.path, REJECTS)
    try:
        with gfile.open_file(path, "rb") as file:
            # Not splitlines(): names may have other line breaks, which JSON leaves as they are.
            lines = file.read().decode("utf-8", "surrogateescape").split("\n")
        return group_rejects([Reject(**json.loads(line)) for line in lines if line])
    except (tf.errors.OpError, ValueError, TypeError) as error:
        raise DatasetError(
            f"{path} cannot be read ({error}); copy it again, or convert again with --overwrite"
        ) from error

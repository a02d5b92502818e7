"""What each group of a dataset holds, so that all that is learned from any of them is a sum."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from pipeline.batches.batch_reader import BatchReader
from pipeline.batches.channel_sums import ChannelSums, merged
from pipeline.batches.plan import BatchOptions, plan_epoch, plan_lengths
from pipeline.batches.valid_labels import label_lengths, unpadded
from tfrecords_schema import Dataset, LabelSpec, Statistics

_BATCH_RECORDS = 16


@dataclasses.dataclass(frozen=True)
class GroupFacts:
    """What the records of one group hold.

    Attributes:
      records: how many they are.
      labels: of each class, `[classes]` int64; empty for values.
      channels: moments of their signals, or what stands beside frames; None for frames alone.
      missing: how many labels are not known.
    """

    records: int
    labels: np.ndarray
    channels: ChannelSums | None
    missing: int = 0

    def add(self, other: GroupFacts) -> GroupFacts:
        """Both together."""
        channels = merged([self.channels, other.channels])
        return GroupFacts(
            self.records + other.records,
            self.labels + other.labels,
            channels,
            self.missing + other.missing,
        )


def group_facts(dataset: Dataset, splits: Sequence[str]) -> dict[str, GroupFacts]:
    """Reads all records of some splits once; the facts of each group, in order of their names.

    Raises:
      DatasetError: there is no such split, or it is empty.
    """
    found: dict[str, GroupFacts] = {}
    for split in splits:
        groups = dataset.split(split).groups()
        for row, facts in _of_records(dataset, split):
            group = groups[row]
            found[group] = found[group].add(facts) if group in found else facts
    return dict(sorted(found.items()))


def class_counts(facts: Iterable[GroupFacts], label: LabelSpec) -> dict[str, int]:
    """Labels of each class in these groups."""
    zero = np.zeros(len(label.class_names), np.int64)
    total = sum((one.labels for one in facts), zero)
    return dict(zip(label.class_names, total.tolist(), strict=True))


def statistics(facts: Iterable[GroupFacts]) -> Statistics | None:
    """Statistics of the channels of these groups together; None for frames alone."""
    total = merged(one.channels for one in facts)
    return None if total is None else total.statistics()


def _of_records(dataset: Dataset, split: str) -> Iterator[tuple[int, GroupFacts]]:
    """Row and facts of every record, in an order that depends on their lengths alone."""
    index, label = dataset.split(split), dataset.schema.label
    lengths = plan_lengths(index, label)
    plan = plan_epoch(lengths, BatchOptions(_BATCH_RECORDS), seed=0, epoch=0, shuffle=False)
    reader = BatchReader(dataset, split, index=index, decodes_frames=False)
    classes = len(label.class_names) if label else 0
    for batch in reader.epoch(plan):
        rows, steps = batch["record"].numpy().tolist(), batch["lengths"].numpy().tolist()
        measured = batch.get("beside", batch.get("signal"))
        signals = [None] * len(rows) if measured is None else measured.numpy()
        padding = batch["padding"].numpy().tolist() if "padding" in batch else [0] * len(rows)
        labels: Sequence[np.ndarray] = [np.zeros(0, np.int64)] * len(rows)
        known: Sequence[np.ndarray] = [np.zeros(0, bool)] * len(rows)
        if label is not None and (classes or label.has_missing):
            labels = unpadded(batch["label"].numpy(), label_lengths(batch, label).numpy(), label)
            known = [label.is_known(of_record) for of_record in labels]
        for at, row in enumerate(rows):
            counts = np.zeros(0, np.int64)
            if classes and label is not None:
                counts = label.class_totals(labels[at][known[at]])
            signal = signals[at]
            channels = None
            if signal is not None:
                roles = dataset.schema.input.roles
                channels = ChannelSums.of_record(signal[: steps[at]], padding[at], roles)
            yield row, GroupFacts(1, counts, channels, int((~known[at]).sum()))

"""Which shard a record goes to.

Shards of a split have neighbours in hash order, and about equally many bytes each.
"""

import bisect
import collections
import dataclasses
from collections.abc import Iterable, Mapping

import numpy as np

from pipeline.conversion.inputs import Decision, InputCounts, too_many_rejects
from pipeline.sources.division.group_splits import GroupCounts, refuse_splits, said_of_splits
from pipeline.sources.options import ConvertOptions
from pipeline.sources.source import Description
from pipeline.sources.splits import stable_hash
from tfrecords_schema.left_out import LeftOut
from tfrecords_schema.names import UNLABELLED

_BIN_BITS = 16
_BIN_SHIFT = 64 - _BIN_BITS
# What a record weighs besides its data. Opening and describing a file takes as long as a MB of data
# does, so shards of small records are lighter; and the number of names per shard is bounded.
_RECORD_OVERHEAD_BYTES = 16_384


def record_order(record: Description) -> tuple[int, str]:
    """Hash and id, by which records are sorted: no hash crosses, it would be half of what does."""
    return stable_hash("record", record.record_id), record.record_id


def hash_bin(record: Description) -> int:
    """The record's bin of hash space, in [0, 65536)."""
    return record_order(record)[0] >> _BIN_SHIFT


@dataclasses.dataclass(frozen=True)
class ShardPlan:
    """Borders between the shards of each split, or why there are none.

    Attributes:
      borders: per split, the first hash bin of each shard; the first is 0.
      records: number of records to write.
      size_bytes: their data's bytes.
      refusal: what is wrong and what to do; empty if nothing is.
      left_out: what is said of the division into splits.
    """

    borders: Mapping[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    records: int = 0
    size_bytes: int = 0
    refusal: str = ""
    left_out: tuple[LeftOut, ...] = ()

    def num_shards(self, split: str) -> int:
        """Number of shards of a split."""
        return len(self.borders[split])

    def shard_of(self, record: Description) -> int:
        """Number of the shard that a record belongs to."""
        return bisect.bisect_right(self.borders[record.split], hash_bin(record)) - 1


@dataclasses.dataclass
class SplitSizes:
    """Records, and what they weigh per hash bin, of each split; sparse."""

    records: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    weights: dict[str, collections.Counter[int]] = dataclasses.field(default_factory=dict)


def count_sizes(records: Iterable[Description]) -> SplitSizes:
    """Counts and weighs records that have a split."""
    sizes = SplitSizes()
    for record in records:
        bins = sizes.weights.setdefault(record.split, collections.Counter())
        bins[hash_bin(record)] += record.size_bytes + _RECORD_OVERHEAD_BYTES
        sizes.records[record.split] += 1
    return sizes


def add_sizes(parts: Iterable[SplitSizes]) -> SplitSizes:
    """Adds up, in any order."""
    total = SplitSizes()
    for part in parts:
        total.records.update(part.records)
        for split, bins in part.weights.items():
            total.weights.setdefault(split, collections.Counter()).update(bins)
    return total


def plan_shards(
    sizes: SplitSizes,
    inputs: InputCounts,
    decision: Decision,
    groups: GroupCounts,
    options: ConvertOptions,
) -> ShardPlan:
    """Chooses the borders of all shards, unless the conversion is refused.

    Args:
      sizes: of the records of each split.
      inputs: counts of all inputs.
      decision: the schema.
      groups: counts of the groups.
      options: the conversion's options.
    """
    refusal = (
        decision.refusal
        or too_many_rejects(
            inputs.total - decision.dropped - sizes.records.total(), inputs.total, options
        )
        or _refuse_stratify(decision, options)
        or refuse_splits(sizes.records, groups, options)
    )
    if refusal:
        return ShardPlan(refusal=refusal)
    borders, records = {}, sizes.records.total()
    for split, bins in sorted(sizes.weights.items()):
        wanted = options.num_shards or -(-bins.total() // int(options.shard_size_mib * 2**20))
        borders[split] = choose_borders(bins, max(1, wanted))
    weight = sum(bins.total() for bins in sizes.weights.values())
    size_bytes = weight - _RECORD_OVERHEAD_BYTES * records
    said = [*said_of_splits(groups, options)]
    if unlabelled := sizes.records[UNLABELLED]:
        why = (
            f"without a label, in the split {UNLABELLED}: nothing is learned from it or measured "
            f"on it; --predict_split={UNLABELLED} predicts it"
        )
        said.append(LeftOut("recording", why, unlabelled))
    return ShardPlan(borders, records, size_bytes, left_out=tuple(said))


def _refuse_stratify(decision: Decision, options: ConvertOptions) -> str:
    if not options.stratify or (decision.labels and decision.labels.spec.class_names):
        return ""
    found = "values" if decision.labels else "none at all"
    return f"--stratify divides by classes, and the labels are {found}; leave it out"


def choose_borders(bins: Mapping[int, int], wanted: int) -> tuple[int, ...]:
    """Cuts occupied bins into consecutive shards of about equal weight, none of them empty.

    Args:
      bins: weight of each occupied bin.
      wanted: number of shards; less if there are fewer occupied bins.

    Returns:
      The first bin of each shard, ascending; the first is 0.
    """
    occupied = np.array(sorted(bins), np.int64)
    ends = np.cumsum([bins[key] for key in occupied.tolist()])
    count = min(wanted, len(occupied))
    borders = [0]
    first = 0  # Position in `occupied` of the current shard's first bin.
    for shard in range(1, count):
        target = ends[-1] * shard / count
        position = int(np.searchsorted(ends, target, side="left")) + 1
        # At least one bin for this shard, and one for each that follows.
        first = min(max(position, first + 1), len(occupied) - (count - shard))
        borders.append(int(occupied[first]))
    return tuple(borders)

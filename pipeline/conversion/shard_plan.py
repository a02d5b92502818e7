"""Which split and which shard a record goes to.

Shards of a split have neighbours in hash order, and about equally many bytes each.
"""

import bisect
import collections
import dataclasses
import heapq
import re
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from pipeline.conversion.inputs import Decision, InputCounts, too_many_rejects
from pipeline.sources.options import ConvertOptions
from pipeline.sources.source import Description
from pipeline.sources.splits import SplitSpec, stable_hash

_BIN_BITS = 16
_BIN_SHIFT = 64 - _BIN_BITS
# What a record weighs besides its data. Opening and describing a file takes as long as a MB of data
# does, so shards of small records are lighter; and the number of names per shard is bounded.
_RECORD_OVERHEAD_BYTES = 16_384
_SHOWN_CONFLICTS = 5


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
    """

    borders: Mapping[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    records: int = 0
    size_bytes: int = 0
    refusal: str = ""

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


@dataclasses.dataclass
class GroupCounts:
    """What the division into splits needs to know of all groups.

    Attributes:
      smallest_hashes: hashes of the groups that the counts of `--splits` take, ascending.
      hashed: number of groups without an official split.
      conflicts: messages about groups in two splits, the first few by name.
    """

    smallest_hashes: list[int] = dataclasses.field(default_factory=list)
    hashed: int = 0
    conflicts: list[str] = dataclasses.field(default_factory=list)


def count_groups(inputs: Iterable[tuple[str, str, str]], options: ConvertOptions) -> GroupCounts:
    """Counts groups, from group, official split and path of all their inputs."""
    paths: dict[str, dict[str, str]] = collections.defaultdict(dict)
    for group, split, path in inputs:  # Of each split the first path by name, as an example.
        paths[group][split] = min(path, paths[group].get(split, path))
    hashes = [stable_hash(options.split_seed, group) for group in paths if "" in paths[group]]
    conflicts = [_conflict(group, paths[group]) for group in paths if len(paths[group]) > 1]
    return add_group_counts([GroupCounts(hashes, len(hashes), conflicts)], options)


def add_group_counts(parts: Iterable[GroupCounts], options: ConvertOptions) -> GroupCounts:
    """Adds up, in any order; keeps what is needed."""
    parts = list(parts)
    hashes = (value for part in parts for value in part.smallest_hashes)
    conflicts = (message for part in parts for message in part.conflicts)
    return GroupCounts(
        heapq.nsmallest(options.split_spec.counted_groups, hashes),
        sum(part.hashed for part in parts),
        heapq.nsmallest(_SHOWN_CONFLICTS, conflicts),
    )


def divide(
    inputs: Iterable[Description], groups: GroupCounts, options: ConvertOptions
) -> Iterator[Description]:
    """Assigns every input to its split; their labels, which may be large, have done their part."""
    for found in inputs:
        split = found.split or options.split_spec.split_of(
            stable_hash(options.split_seed, found.group), groups.smallest_hashes
        )
        yield found._replace(split=split, label=None)


def refuse_splits(sizes: Mapping[str, int], groups: GroupCounts, options: ConvertOptions) -> str:
    """Why the division into splits cannot be; empty if it can.

    Args:
      sizes: number of records per split.
      groups: counts of the groups.
      options: the conversion's options.
    """
    if groups.conflicts:
        return (
            f"a group would be in two splits: {'; '.join(groups.conflicts)}; make the groups "
            "larger or smaller (--group_key, --group_regex), or change the official split"
        )
    official = tuple(re.compile(options.split_regex).groupindex)
    divided = options.split_spec.names if options.splits or groups.hashed else ()
    empty = next((name for name in (*official, *divided) if not sizes.get(name)), "")
    if not empty:
        return ""
    if empty in official:
        return (
            f"split {empty!r} has no group: (?P<{empty}>...) in --split_regex="
            f"{options.split_regex} matches no path, as far as inputs are accepted; correct it "
            "(paths are relative to --input_dir)"
        )
    return (
        f"split {empty!r} has no group: {groups.hashed} groups are divided by --splits="
        f"{_text(options.split_spec)}; use counts (test=2,train=rest), other shares, another "
        "--split_seed, or smaller groups"
    )


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
        or too_many_rejects(inputs.total - sizes.records.total(), inputs.total, options)
        or refuse_splits(sizes.records, groups, options)
    )
    if refusal:
        return ShardPlan(refusal=refusal)
    borders, records = {}, sizes.records.total()
    for split, bins in sorted(sizes.weights.items()):
        wanted = options.num_shards or -(-bins.total() // int(options.shard_size_mib * 2**20))
        borders[split] = choose_borders(bins, max(1, wanted))
    weight = sum(bins.total() for bins in sizes.weights.values())
    return ShardPlan(borders, records, weight - _RECORD_OVERHEAD_BYTES * records)


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


def _conflict(group: str, splits: dict[str, str]) -> str:
    found = ", ".join(
        f"{path} in {split!r}" if split else f"{path} in no official split"
        for split, path in sorted(splits.items())
    )
    return f"group {group!r} has {found}"


def _text(spec: SplitSpec) -> str:
    if spec.fractions:
        return ",".join(f"{name}={float(share):g}" for name, share in spec.fractions)
    return ",".join([*(f"{name}={count}" for name, count in spec.counts), f"{spec.rest}=rest"])

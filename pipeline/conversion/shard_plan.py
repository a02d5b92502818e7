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

from pipeline.console.texts import counted
from pipeline.conversion.inputs import Decision, InputCounts, too_many_rejects
from pipeline.sources.options import ConvertOptions
from pipeline.sources.source import Description
from pipeline.sources.splits import SplitSpec, stable_hash
from tfrecords_schema.left_out import LeftOut

_BIN_BITS = 16
_BIN_SHIFT = 64 - _BIN_BITS
# What a record weighs besides its data. Opening and describing a file takes as long as a MB of data
# does, so shards of small records are lighter; and the number of names per shard is bounded.
_RECORD_OVERHEAD_BYTES = 16_384
_SHOWN_CONFLICTS = 5
_KEPT_HASHES = 64  # Of groups, for counts in the place of shares that would leave a split empty.
_MOST_FEW_GROUPS = 5 * _KEPT_HASHES  # A tenth of them is in validation, and a tenth in test.


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


@dataclasses.dataclass
class GroupCounts:
    """What the division into splits needs to know of all groups.

    Attributes:
      smallest_hashes: hashes of the groups that counts of groups take, ascending.
      hashed: number of groups without an official split.
      conflicts: messages about groups in two splits, the first few by name.
      shared: number of groups in each split by the shares of `--splits`.
    """

    smallest_hashes: list[int] = dataclasses.field(default_factory=list)
    hashed: int = 0
    conflicts: list[str] = dataclasses.field(default_factory=list)
    shared: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)


def count_groups(inputs: Iterable[tuple[str, str, str]], options: ConvertOptions) -> GroupCounts:
    """Counts groups, from group, official split and path of all their inputs."""
    paths: dict[str, dict[str, str]] = collections.defaultdict(dict)
    for group, split, path in inputs:  # Of each split the first path by name, as an example.
        paths[group][split] = min(path, paths[group].get(split, path))
    hashes = [stable_hash(options.split_seed, group) for group in paths if "" in paths[group]]
    conflicts = [_conflict(group, paths[group]) for group in paths if len(paths[group]) > 1]
    spec = options.split_spec
    shared = collections.Counter(spec.split_of(value, []) for value in hashes if spec.fractions)
    return add_group_counts([GroupCounts(hashes, len(hashes), conflicts, shared)], options)


def add_group_counts(parts: Iterable[GroupCounts], options: ConvertOptions) -> GroupCounts:
    """Adds up, in any order; keeps what is needed."""
    parts = list(parts)
    hashes = (value for part in parts for value in part.smallest_hashes)
    conflicts = (message for part in parts for message in part.conflicts)
    return GroupCounts(
        heapq.nsmallest(max(options.split_spec.counted_groups, _KEPT_HASHES), hashes),
        sum(part.hashed for part in parts),
        heapq.nsmallest(_SHOWN_CONFLICTS, conflicts),
        sum((part.shared for part in parts), collections.Counter()),
    )


def spec_of(groups: GroupCounts, options: ConvertOptions) -> SplitSpec:
    """How groups without an official split are divided.

    That is as the options say. Where nobody asked for shares, and those that are usual would leave
    a split without a group, as they often do with few, it is by counts.
    """
    spec, few = options.split_spec, 2 <= groups.hashed <= _MOST_FEW_GROUPS
    if options.splits or not few or all(groups.shared[name] for name in spec.names):
        return spec
    tenth = max(1, round(groups.hashed / 10))
    validation = f"validation={tenth}," if groups.hashed > 2 else ""
    return SplitSpec.parse(f"test={tenth},{validation}train=rest")


def divide(
    inputs: Iterable[Description], groups: GroupCounts, options: ConvertOptions
) -> Iterator[Description]:
    """Assigns every input to its split; their labels, which may be large, have done their part."""
    spec = spec_of(groups, options)
    for found in inputs:
        split = found.split or spec.split_of(
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
    spec = spec_of(groups, options)
    divided = spec.names if options.splits or groups.hashed else ()
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
        f"split {empty!r} has no group: {counted(groups.hashed, 'group')} divided by --splits="
        f"{_text(spec)}; {_cure(spec, groups.hashed)}"
    )


def _cure(spec: SplitSpec, hashed: int) -> str:
    """Which `--splits` do for so many groups, where others do not."""
    if not hashed:
        return "leave out --splits, as every group has an official split"
    names = spec.names
    rest = "train" if "train" in names else spec.rest or names[0]
    others = [name for name in names if name != rest]
    if hashed < len(names):
        splits = f"{rest}=1" if hashed == 1 else f"{others[-1]}=1,{rest}=rest"
        return f"use --splits={splits}, or smaller groups (--group_key, --group_regex)"
    counts = ",".join(f"{name}=1" for name in others)
    return f"use counts (--splits={counts},{rest}=rest), or smaller groups"


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
    left_out: tuple[LeftOut, ...] = ()
    spec = spec_of(groups, options)
    if spec != options.split_spec:
        why = (
            f"{groups.hashed} groups are few for --splits={_text(options.split_spec)}, so they are "
            f"divided by --splits={_text(spec)}; more groups may change which are where"
        )
        left_out = (LeftOut("", why, 0),)
    borders, records = {}, sizes.records.total()
    for split, bins in sorted(sizes.weights.items()):
        wanted = options.num_shards or -(-bins.total() // int(options.shard_size_mib * 2**20))
        borders[split] = choose_borders(bins, max(1, wanted))
    weight = sum(bins.total() for bins in sizes.weights.values())
    size_bytes = weight - _RECORD_OVERHEAD_BYTES * records
    return ShardPlan(borders, records, size_bytes, left_out=left_out)


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

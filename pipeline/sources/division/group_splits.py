"""Which split each group belongs to, from counts over all groups that add up in any order.

A hash decides, if no flag says otherwise, and no group depends on another. With `--stratify` the
labels of all groups decide, and with `--splits_from` an earlier dataset, for the groups in it.
"""

import collections
import dataclasses
import heapq
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

import numpy as np

from pipeline.console.texts import counted
from pipeline.sources.division import even_division
from pipeline.sources.division.split_table import SplitTable
from pipeline.sources.labels.plans import LabelPlans
from pipeline.sources.options import ConvertOptions
from pipeline.sources.source import Description
from pipeline.sources.splits import SplitSpec, stable_hash
from tfrecords_schema.left_out import LeftOut

_SHOWN_CONFLICTS = 5
_KEPT_HASHES = 64  # Of groups, for counts in the place of shares that would leave a split empty.
_MOST_FEW_GROUPS = 5 * _KEPT_HASHES  # A tenth of them is in validation, and a tenth in test.
# Of the table of groups and classes: 128 MiB.
_MOST_CELLS = 1 << 24
# More are divided once, as many of them leave little that another start could better.
_MOST_STARTED_AGAIN = 1_000

# Labels of each class by its index, of one input; only of the classes that it has.
ClassCounts: TypeAlias = tuple[tuple[int, int], ...]
# Group, official split, path and labels of one input.
GroupInput: TypeAlias = tuple[str, str, str, ClassCounts]


@dataclasses.dataclass
class GroupCounts:
    """What the division into splits needs to know of all groups.

    Attributes:
      smallest_hashes: hashes of the groups that counts of groups take, ascending.
      hashed: number of groups without an official split.
      conflicts: messages about groups in two splits, the first few by name.
      shared: number of groups in each split by the shares of `--splits`.
      hashes: `[groups]` uint64 of those without an official split, where more than their hash
        decides; else, and where there are too many, empty.
      labels: `[groups, 1 + classes]` int64: records of each, and labels of each class.
      cells: size of that table, also where it is left out; 0 without `--stratify`.
      kept: number of groups that stay in the split of an earlier dataset.
      decided: the splits of the groups that no hash decides on.
    """

    smallest_hashes: list[int] = dataclasses.field(default_factory=list)
    hashed: int = 0
    conflicts: list[str] = dataclasses.field(default_factory=list)
    shared: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    hashes: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, np.uint64))
    labels: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 1), np.int64))
    cells: int = 0
    kept: int = 0
    decided: SplitTable = dataclasses.field(default_factory=SplitTable)


def earlier_splits(options: ConvertOptions) -> SplitTable:
    """The splits of the groups of `--splits_from`.

    Raises:
      DatasetError: that is no dataset.
    """
    if not options.splits_from:
        return SplitTable()
    return SplitTable.of_dataset(options.splits_from, lambda group: _hash(group, options))


def class_counts(found: Description, labels: LabelPlans | None) -> ClassCounts:
    """How many labels of each class an input has; of samples, as many as it has samples."""
    return tuple(labels.counts(found)) if labels else ()


def count_groups(
    inputs: Iterable[GroupInput], options: ConvertOptions, earlier: SplitTable, classes: int
) -> GroupCounts:
    """Counts groups, all inputs of each of which are here.

    Args:
      inputs: of the groups.
      options: the conversion's options.
      earlier: see `earlier_splits`.
      classes: how many there are.
    """
    paths: dict[str, dict[str, str]] = collections.defaultdict(dict)
    labels: dict[str, collections.Counter[int]] = collections.defaultdict(collections.Counter)
    for group, split, path, of_input in inputs:  # Of each split the first path by name.
        paths[group][split] = min(path, paths[group].get(split, path))
        if options.stratify:  # Column 0 is of records.
            labels[group][0] += 1
            for index, count in of_input:
                labels[group][index + 1] += count
    hashes = {group: _hash(group, options) for group in paths}
    hashed = [group for group in paths if "" in paths[group]]
    of_hashed = [hashes[group] for group in hashed]
    tabled = hashed if options.stratify or options.splits_from else []
    table = np.zeros((len(tabled), (1 + classes) * options.stratify), np.int64)
    for row, group in enumerate(tabled):
        table[row, [*labels[group]]] = [*labels[group].values()]
    conflicts = [
        message
        for group in paths
        if (message := _conflict(group, paths[group], earlier, earlier.split_of(hashes[group])))
    ]
    spec = options.split_spec
    shared = collections.Counter(spec.split_of(value, []) for value in of_hashed if spec.fractions)
    of_tabled = np.array([hashes[group] for group in tabled], np.uint64)
    counts = GroupCounts(of_hashed, len(hashed), conflicts, shared, of_tabled, table, table.size)
    return add_group_counts([counts], options)


def _hash(group: str, options: ConvertOptions) -> int:
    return stable_hash(options.split_seed, group)


def add_group_counts(parts: Iterable[GroupCounts], options: ConvertOptions) -> GroupCounts:
    """Adds up, in any order; keeps what is needed."""
    parts = list(parts)
    hashes = (value for part in parts for value in part.smallest_hashes)
    conflicts = (message for part in parts for message in part.conflicts)
    total = GroupCounts(
        heapq.nsmallest(max(options.split_spec.counted_groups, _KEPT_HASHES), hashes),
        sum(part.hashed for part in parts),
        heapq.nsmallest(_SHOWN_CONFLICTS, conflicts),
        sum((part.shared for part in parts), collections.Counter()),
        cells=sum(part.cells for part in parts),
    )
    full = [part for part in parts if len(part.hashes)]
    if full and total.cells <= _MOST_CELLS:
        total.hashes = np.concatenate([part.hashes for part in full])
        total.labels = np.concatenate([part.labels for part in full])
    return total


def decide_splits(groups: GroupCounts, options: ConvertOptions, earlier: SplitTable) -> GroupCounts:
    """Decides on the groups that no hash decides on; the same in whatever order they were added."""
    order = np.argsort(groups.hashes)
    hashes, labels = groups.hashes[order], groups.labels[order]
    spec = options.split_spec
    names = tuple(dict.fromkeys((*earlier.names, *spec.names)))
    numbers = earlier.numbers_of(hashes)
    kept = int((numbers >= 0).sum())
    if options.stratify and len(hashes):
        own = np.array([names.index(name) for name in spec.names], np.int32)
        held = np.array([labels[numbers == number].sum(0) for number in own])
        free = numbers < 0
        starts = 1 if free.sum() > _MOST_STARTED_AGAIN else even_division.STARTS
        numbers[free] = own[
            even_division.divide(
                labels[free],
                [share for _, share in spec.fractions],
                options.split_seed,
                held=held,
                starts=starts,
                fills=True,
            )
        ]
    known = numbers >= 0
    table = SplitTable(hashes[known], numbers[known], names, earlier.dataset)
    nothing = GroupCounts()
    return dataclasses.replace(
        groups, hashes=nothing.hashes, labels=nothing.labels, kept=kept, decided=table
    )


def spec_of(groups: GroupCounts, options: ConvertOptions) -> SplitSpec:
    """How groups are divided that have no official split, and that nothing else is decided of.

    That is as the options say. Where nobody asked for shares, and those that are usual would leave
    a split without a group, as they often do with few, it is by counts.
    """
    spec, few = options.split_spec, 2 <= groups.hashed <= _MOST_FEW_GROUPS
    is_asked = options.splits or options.stratify or options.splits_from
    if is_asked or not few or all(groups.shared[name] for name in spec.names):
        return spec
    tenth = max(1, round(groups.hashed / 10))
    validation = f"validation={tenth}," if groups.hashed > 2 else ""
    return SplitSpec.parse(f"test={tenth},{validation}train=rest")


def divide(
    inputs: Iterable[Description], groups: GroupCounts, options: ConvertOptions
) -> Iterator[Description]:
    """Assigns every input to its split; their labels, which may be large, have done their part."""
    spec, decided = spec_of(groups, options), groups.decided
    for found in inputs:
        value = _hash(found.group, options)
        split = found.split or decided.split_of(value)
        split = split or spec.split_of(value, groups.smallest_hashes)
        yield found._replace(split=split, labels=())


def said_of_splits(groups: GroupCounts, options: ConvertOptions) -> Iterator[LeftOut]:
    """What is said of the division into splits."""
    spec = spec_of(groups, options)
    if spec != options.split_spec:
        why = (
            f"{groups.hashed} groups are few for --splits={_text(options.split_spec)}, so they are "
            f"divided by --splits={_text(spec)}; more groups may change which are where, unless "
            "--splits_from keeps them"
        )
        yield LeftOut("", why, 0)
    if options.splits_from:
        why = f"in the splits that they have in {groups.decided.dataset} (--splits_from)"
        yield LeftOut("group", why, groups.kept)
    if options.stratify:
        why = (
            "divided by the labels of all groups (--stratify): where recordings are added, "
            f"--splits_from=OUTPUT_DIR/{options.name}/{options.dataset_version} with another "
            "--dataset_version keeps every group where it is"
        )
        yield LeftOut("", why, 0)


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
    if groups.cells > _MOST_CELLS:
        classes = groups.cells // groups.hashed - 1
        return (
            f"--stratify: {groups.hashed:,} groups of {classes:,} classes "
            "are too many to look at together; leave it out: so many divide evenly by chance"
        )
    by_letters = {name.lower(): name for name in sizes}
    if same := sorted({*sizes} - {*by_letters.values()}):
        other = by_letters[same[0].lower()]
        return (
            f"splits {same[0]!r} and {other!r} differ in upper and lower case alone, and would be "
            "the same files where that is not told apart; rename one"
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
        f"{_text(spec)}; {_cure(spec, groups.hashed, options)}"
    )


def _cure(spec: SplitSpec, hashed: int, options: ConvertOptions) -> str:
    """Which `--splits` do for so many groups, where others do not."""
    if not hashed:
        return "leave out --splits, as every group has an official split"
    if options.stratify or options.splits_from:
        stratify = "" if options.stratify else "add --stratify, which leaves none empty, "
        return f"{stratify}name fewer --splits, or make smaller groups"
    names = spec.names
    rest = "train" if "train" in names else spec.rest or names[0]
    others = [name for name in names if name != rest]
    if hashed < len(names):
        splits = f"{rest}=1" if hashed == 1 else f"{others[-1]}=1,{rest}=rest"
        return f"use --splits={splits}, or smaller groups (--group_key, --group_regex)"
    counts = ",".join(f"{name}=1" for name in others)
    return f"use counts (--splits={counts},{rest}=rest), or smaller groups"


def _conflict(group: str, paths: dict[str, str], earlier: SplitTable, before: str) -> str:
    """Why a group cannot be in one split; empty if it can."""
    found = [
        f"{path} in {split!r}" if split else f"{path} in no official split"
        for split, path in sorted(paths.items())
    ]
    if before and {*paths} - {"", before}:
        found.append(f"is in {before!r} of {earlier.dataset}")
    return f"group {group!r} has {', '.join(found)}" if len(found) > 1 else ""


def _text(spec: SplitSpec) -> str:
    if spec.fractions:
        return ",".join(f"{name}={float(share):g}" for name, share in spec.fractions)
    return ",".join([*(f"{name}={count}" for name, count in spec.counts), f"{spec.rest}=rest"])

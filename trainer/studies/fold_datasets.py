"""Folds as datasets: each a folder of index and manifest, which a training takes like any other.

All that a manifest tells a training (statistics of channels, counts of classes, lengths) is of the
fold's own training records, so nothing of the others can reach it.
"""

from __future__ import annotations

import dataclasses
import posixpath
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from pipeline.console.errors import UsageError
from pipeline.console.tables import COUNT, Table
from tfrecords_schema import Dataset, DatasetError, LabelSpec
from tfrecords_schema.errors import UserError
from tfrecords_schema.names import UNLABELLED
from tfrecords_schema.selection import write_selection
from tfrecords_schema.storage import make_folder
from trainer.studies.folds import divide, each_group
from trainer.studies.group_facts import GroupFacts, class_counts, group_facts, statistics
from trainer.studies.options import EACH_GROUP, FoldOptions

TRAIN, VALIDATION, TEST = "train", "validation", "test"


@dataclasses.dataclass(frozen=True)
class Fold:
    """One division of the groups into those that train and those that are tested.

    Attributes:
      repeat: number of the division that it belongs to.
      number: of the fold in it.
      split_of: split of each group: `train`, `validation` or `test`.
    """

    repeat: int
    number: int
    split_of: Mapping[str, str]

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"repeat_{self.repeat}_fold_{self.number}"

    def groups(self, split: str) -> list[str]:
        """The groups of a split."""
        return [group for group, found in self.split_of.items() if found == split]


def splits_to_divide(dataset: Dataset, options: FoldOptions, test_split: str) -> tuple[str, ...]:
    """The splits whose records are divided; see `FoldOptions.fold_splits`.

    Raises:
      DatasetError: there is none, or one is not there.
    """
    entries = dataset.manifest.splits
    for name in options.fold_splits:
        if name not in entries:
            dataset.split(name)  # Says which there are.
    names = options.fold_splits or tuple(
        name for name in entries if name not in (test_split, UNLABELLED)
    )
    found = tuple(name for name in names if entries[name].records)
    if not found:
        raise DatasetError(
            f"{dataset.path} has no records besides those of split {test_split!r}; give "
            f"--fold_splits={test_split} to divide them"
        )
    return found


def plan_folds(facts: Mapping[str, GroupFacts], options: FoldOptions) -> list[Fold]:
    """All folds of all repeats.

    Args:
      facts: of each group.
      options: how many folds, and which.

    Raises:
      UserError: there are too few groups.
    """
    groups = [*facts]
    count = len(groups) if options.folds == EACH_GROUP else int(options.folds)
    needed = 3 if options.fold_validation == "next" else 2
    if len(groups) < needed or count < needed:
        what = f"{count} folds of {len(groups)} groups"
        raise UserError(
            f"{what}: expected at least {needed} of both; say which records belong together with "
            "--group_regex when converting, or divide more splits with --fold_splits"
        )
    columns = np.array([[one.records, *one.labels.tolist()] for one in facts.values()], np.int64)
    return [
        fold
        for repeat in range(options.repeats)
        for fold in _folds(
            repeat,
            groups,
            each_group(groups)
            if options.folds == EACH_GROUP
            else divide(columns, count, options.fold_seed, repeat),
            options.fold_validation == "next",
        )
    ]


def _folds(
    repeat: int, groups: Sequence[str], fold_of: np.ndarray, validates: bool
) -> Iterator[Fold]:
    count = int(fold_of.max()) + 1
    for number in range(count):
        split_of = dict.fromkeys(groups, TRAIN)
        for group, fold in zip(groups, fold_of.tolist(), strict=True):
            if validates and fold == (number + 1) % count:
                split_of[group] = VALIDATION
            if fold == number:
                split_of[group] = TEST
        yield Fold(repeat, number, split_of)


def write_fold(
    folder: str,
    fold: Fold,
    dataset: Dataset,
    splits: Sequence[str],
    facts: Mapping[str, GroupFacts],
) -> Dataset:
    """Writes the dataset of a fold and opens it; the same fold gives the same bytes.

    Args:
      folder: where the folders of all folds are, below one that the user named.
      fold: which.
      dataset: has the records.
      splits: its splits that are divided.
      facts: of each group.
    """
    label = dataset.schema.label
    members = {split: fold.groups(split) for split in (TRAIN, VALIDATION, TEST)}
    counts = {
        split: _class_counts([facts[group] for group in groups], label)
        for split, groups in members.items()
        if groups
    }
    missing = {
        split: sum(facts[group].missing for group in groups) for split, groups in members.items()
    }
    return write_selection(
        make_folder(*posixpath.split(folder), fold.name),
        dataset,
        splits,
        lambda row: fold.split_of[row.group],
        counts,
        statistics(facts[group] for group in members[TRAIN]),
        missing,
    )


def _class_counts(facts: Sequence[GroupFacts], label: LabelSpec | None) -> dict[str, int]:
    return class_counts(facts, label) if label and label.class_names else {}


def read_facts(
    dataset: Dataset, splits: Sequence[str], options: FoldOptions
) -> dict[str, GroupFacts]:
    """The facts of each group, after a look at what can be told without reading records.

    Raises:
      UsageError: there are fewer groups than folds.
    """
    groups = {group for split in splits for group in dataset.split(split).each_group()}
    if options.folds != EACH_GROUP and int(options.folds) > len(groups):
        raise UsageError(
            f"--folds={options.folds}: {dataset.path} has {len(groups)} groups in "
            f"{', '.join(splits)}, and none is divided; give --folds={EACH_GROUP}, or fewer"
        )
    return group_facts(dataset, splits)


def fold_table(
    folds: Sequence[Fold], facts: Mapping[str, GroupFacts], label: LabelSpec | None
) -> Table:
    """What is tested in each fold."""
    names = label.class_names if label else ()
    rows = []
    for fold in folds:
        of_test = [facts[group] for group in fold.groups(TEST)]
        counts = _class_counts(of_test, label)
        total = max(1, sum(counts.values()))
        shares = " ".join(f"{counts[name] / total:.0%}" for name in names)
        rows.append((fold.name, len(of_test), sum(f.records for f in of_test), shares))
    columns = {"tested in": None, "groups": COUNT, "records": COUNT, "class shares": None}
    return Table("Folds", columns, rows, of="folds", most=30)

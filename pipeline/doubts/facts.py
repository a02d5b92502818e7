"""What is known of a dataset that is divided, or would be."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tfrecords_schema import Dataset, LabelSpec, SplitEntry
from tfrecords_schema.index import group_totals, shared_groups
from tfrecords_schema.labels import views
from tfrecords_schema.names import INDEX, UNLABELLED, join


class Rows(NamedTuple):
    """Of each record of a split its group, its label as text, and its path."""

    groups: list[str]
    labels: list[str]
    sources: list[str]


class SplitFacts(NamedTuple):
    """One split.

    Attributes:
      records: how many.
      groups: how many.
      class_counts: labels of each class.
      labels: how many; of one class each as many as all classes have.
      rows: reads what is known of every record.
      is_known: whether anything is known of the label.
    """

    records: int
    groups: int
    class_counts: Mapping[str, int]
    labels: int
    rows: Callable[[], Rows]
    is_known: bool = True


class Division(NamedTuple):
    """A dataset and its splits.

    Attributes:
      splits: by name, without that of records that have no label.
      classes: their names; none where labels are values.
      is_class_per_record: whether a record has one label, a class.
      shared_groups: counts the groups that are in more than one split.
      is_stratified: whether it was divided by classes.
      is_fold: whether it is one of several divisions, which hold all others.
      has_several: whether a label is any number of classes.
      of_labels: of several labels the same for the classes of each, by their names; empty of one.
    """

    splits: Mapping[str, SplitFacts]
    classes: tuple[str, ...]
    is_class_per_record: bool
    shared_groups: Callable[[], int]
    is_stratified: bool = False
    is_fold: bool = False
    has_several: bool = False
    of_labels: Mapping[str, Division] = types.MappingProxyType({})

    @property
    def records(self) -> int:
        """Of all splits."""
        return sum(split.records for split in self.splits.values())

    @classmethod
    def of(cls, dataset: Dataset) -> Division:
        """That of a dataset."""
        manifest = dataset.manifest
        return division_of(
            dataset.schema.label,
            manifest.splits,
            functools.partial(_rows, dataset),
            functools.partial(_shared_groups, dataset),
            is_stratified=bool(manifest.options.get("stratify")),
            is_fold=bool(manifest.shards_of),
        )


def division_of(
    label: LabelSpec | None,
    entries: Mapping[str, SplitEntry],
    rows: Callable[[str], Rows],
    shared_groups: Callable[[], int],
    *,
    is_stratified: bool,
    is_fold: bool = False,
) -> Division:
    """A dataset and its splits.

    Args:
      label: what is learned.
      entries: of the splits, by name.
      rows: reads what is known of every record of one.
      shared_groups: see `Division`.
      is_stratified: likewise.
      is_fold: likewise.
    """

    def of_label(label: LabelSpec | None, entries: Mapping[str, SplitEntry]) -> Division:
        several = label.per if label and label.kind == "classes" else ""
        splits = {
            name: SplitFacts(
                entry.records,
                entry.groups,
                entry.class_counts if label else {},
                entry.labels(several) if several else sum(entry.class_counts.values()),
                functools.partial(rows, name),
                label is None or _is_known(entry, label),
            )
            for name, entry in entries.items()
            if name != UNLABELLED
        }
        return Division(
            splits,
            label.class_names if label else (),
            label is not None and label.is_class_feature,
            shared_groups,
            is_stratified,
            is_fold,
            bool(several),
        )

    if label is None or not label.heads:
        return of_label(label, entries)
    of_labels = {}
    for head in views(label):
        of_head = {n: one.of_head(head) for n, one in entries.items() if one.records}
        # Texts of rows are of all labels.
        of_labels[head.name] = of_label(head.label, of_head)._replace(is_class_per_record=False)
    return of_label(None, entries)._replace(of_labels=of_labels)


def _is_known(entry: SplitEntry, label: LabelSpec) -> bool:
    # How many values sequences have is not kept.
    return label.per == "sequence" or entry.missing_labels < entry.labels(label.per)


def _rows(dataset: Dataset, split: str) -> Rows:
    if not dataset.manifest.splits[split].records:
        return Rows([], [], [])
    index = dataset.split(split)
    return Rows(index.groups(), index.labels(), index.sources())


def _shared_groups(dataset: Dataset) -> int:
    return shared_groups(group_totals(join(dataset.path, INDEX)))

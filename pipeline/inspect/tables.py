"""What is known of a dataset, and of an epoch of it, as tables."""

import operator
from typing import Any

import numpy as np

from pipeline.console.tables import COUNT, PERCENT, Table, label_table
from pipeline.console.texts import bytes_text
from pipeline.inspect.facts import Facts, Lengths
from pipeline.inspect.plan import EpochFacts
from pipeline.inspect.samples import TimeAxis
from pipeline.sources.rejects import MAX_REASONS


def splits(facts: Facts) -> Table:
    """Sizes and lengths of the splits."""
    counts = ["records", "groups", "steps", "shortest", "median", "longest"]
    names = [
        "name", "entry.records", "entry.groups", "entry.steps", "shortest", "median", "longest",
    ]  # fmt: skip
    if any(split.entry.missing_labels for split in facts.splits):
        counts, names = [*counts, "no label"], [*names, "entry.missing_labels"]
    values = operator.attrgetter(*names, "entry.size_bytes")
    columns = {"split": None, **dict.fromkeys(counts, COUNT), "size": bytes_text}
    return Table("Splits", columns, [values(split) for split in facts.splits])


def classes(facts: Facts) -> Table:
    """How often each class occurs in each split."""
    splits = {split.name: split.entry for split in facts.splits}
    return label_table(facts.dataset.schema.label, splits)


def buckets(lengths: Lengths) -> Table:
    """How much more buckets pad less."""
    rows = [
        (len(row.boundaries), row.padding_share, ", ".join(map(str, row.boundaries)))
        for row in lengths.buckets
    ]
    return Table(
        "Padding by number of buckets",
        {"buckets": COUNT, "padding": PERCENT, "boundaries, in steps": None},
        rows,
        chosen=lengths.buckets.index(lengths.usual),
    )


def channels(facts: Facts) -> Table:
    """The statistics of each channel of the training split."""
    found = facts.dataset.manifest.statistics
    values = (found.mean, found.deviation, found.minimum, found.maximum) if found else ()
    figures = dict.fromkeys(("mean", "deviation", "least", "greatest"), "{:.4g}".format)
    columns = [*zip(*values, strict=True)]
    names = TimeAxis.of(facts.dataset).channels
    known = names if len(names) == len(columns) else range(len(columns))
    rows = [(name, *row) for name, row in zip(known, columns, strict=True)]
    return Table("Channels of train", {"channel of train": None, **figures}, rows, of="channels")


def groups(facts: Facts) -> Table:
    """The largest groups; no row where a group says no more than a record or a split."""
    found = facts.groups
    columns = {"group": None, "split": None, "records": COUNT, "steps": COUNT}
    is_telling = 1 < found.number < facts.records
    return Table(
        "Groups, the largest first",
        columns,
        [[row[name] for name in columns] for row in found.largest] if is_telling else [],
        of="groups",
        most=10,
        total=found.number,
    )


def rejects(facts: Facts) -> Table:
    """Rejected inputs by reason."""
    return Table(
        "Rejected inputs",
        {"inputs": COUNT, "at": None, "reason": None, "such as": None},
        [
            (group["count"], group["stage"], group["reason"], ", ".join(group["examples"]))
            for group in facts.rejects
        ],
        note="one line for each is in rejects.jsonl",
        of="reasons",
        most=MAX_REASONS,
    )


def left_out(facts: Facts) -> Table:
    """What else was left out or changed, and why."""
    rows = [
        (row.count or None, row.what, row.reason, row.example)
        for row in facts.dataset.manifest.left_out
    ]
    columns = {"number": COUNT, "of": None, "why": None, "such as": None}
    return Table("Left out or changed", columns, rows, of="reasons")


def shapes(epoch: EpochFacts) -> Table:
    """The shapes that the batches of an epoch have."""
    rows: list[tuple[Any, ...]] = [
        (list(shape.shape), shape.batches, shape.padding_share, shape.input_bytes)
        for shape in epoch.shapes
    ]
    figures = {"batches": COUNT, "padding": PERCENT, "input": bytes_text}
    return Table("Shapes", {"shape of the input": None, **figures}, rows, of="shapes")


def replicas(epoch: EpochFacts) -> Table:
    """What each replica does, and how evenly they are busy; no row for a single one."""
    most, mean = epoch.valid_steps.max(1), epoch.valid_steps.mean(1)
    note = (
        f"the busiest replica of a step has {most.sum() / mean.sum() - 1:.1%} more valid steps "
        f"than the mean, in the worst step {(most / mean).max() - 1:.1%}"
    )
    if empty := np.sum(epoch.records == 0):
        note += f"; {empty:,} times a replica has no record, so fewer would do"
    totals = np.stack([epoch.records.sum(0), epoch.valid_steps.sum(0)], axis=1).tolist()
    return Table(
        "Replicas",
        {"replica": None, "records": COUNT, "valid steps": COUNT},
        [(number, *row) for number, row in enumerate(totals)] if len(totals) > 1 else [],
        of="replicas",
        note=note,
        is_key=True,
    )

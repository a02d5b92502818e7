"""What speaks against a division of a dataset, before anything is trained on it.

Said by `--dry_run` and at the end of a conversion, by an inspection, at the start of a training.
"""

from collections import Counter
from collections.abc import Iterator

from pipeline.console.texts import counted, listed
from pipeline.doubts.facts import Division, SplitFacts
from pipeline.doubts.repeated_names import repeated_name
from tfrecords_schema import Dataset

_MAX_NAMES = 5
# An interval takes four groups.
_FEW_GROUPS = 4
_RARE = 0.1  # Of the labels that a class would have if all had as many.
_LEAST_TOLD = 4  # Records of a class below which one group is easily most of it.
_MOST_RECORDS = 100_000  # Of more the names are not read: they would take memory.


def doubts(dataset: Dataset) -> list[str]:
    """One sentence each, with what to do; none for a dataset that gives no reason."""
    return doubts_of(Division.of(dataset))


def doubts_of(division: Division) -> list[str]:
    """The same of a dataset that may not be written yet."""
    reads_names = division.records <= _MOST_RECORDS
    return [
        *(_group_doubts(division) if reads_names else ()),
        *_class_doubts(division, reads_names),
        *(
            f"{name}: {doubt}"
            for name, of_label in division.of_labels.items()
            for doubt in _class_doubts(of_label, reads_names)
        ),
    ]


def _group_doubts(division: Division) -> Iterator[str]:
    entries, shared = division.splits, division.shared_groups()
    groups = sum(entry.groups for entry in entries.values())
    if shared:
        distinct = len({group for entry in entries.values() for group in entry.rows().groups})
        yield (
            f"{shared:,} of {distinct:,} groups have records in more than one split: "
            "figures on those splits are too good; divide by groups"
        )
    elif groups == 1 < division.records:
        yield (
            f"all {division.records:,} records are of one group, so no figure will be one of other "
            "groups: look at what --group_regex finds, or record more people"
        )
        return
    elif groups == division.records > 1:
        yield _ungrouped(division)
        return
    if division.is_fold:
        return  # Of a fold all others belong to it.
    for name, entry in entries.items():
        if name != "train" and 0 < entry.groups < _FEW_GROUPS and entry.groups < entry.records:
            yield (
                f"{name} has {counted(entry.groups, 'group')}: figures on it say little of other "
                "groups; python -m trainer.cross_validate tests every group in turn"
            )


def _ungrouped(division: Division) -> str:
    largest, entry = max(division.splits.items(), key=lambda item: item[1].records)
    rows = entry.rows()
    found = repeated_name(rows.sources, rows.labels)
    if found is None:
        return (
            "every record is a group of its own: if several are of one person or session, say so "
            "with --group_regex or --group_key, or they are in training and in test"
        )
    return (
        f"every record is a group of its own, but {found.commonest!r} is in "
        f"{counted(found.paths, 'path')} of {largest}: if that names a person or session, convert "
        f"with --group_regex='{found.regex}', or they are in training and in test"
    )


def _class_doubts(division: Division, reads_names: bool) -> Iterator[str]:
    for name, entry in division.splits.items():
        if not entry.records:
            yield f"split {name} is empty"
            continue
        if not entry.is_known:
            yield (
                f"{name} has no label that is known, so nothing is learned or measured there; "
                "convert with another --split_seed, or other --splits"
            )
            continue
        missing = [one for one in division.classes if not entry.class_counts.get(one)]
        if missing:
            what = "class" if len(missing) == 1 else "the classes"
            yield (
                f"{name} has no label of {what} {listed(missing, _MAX_NAMES)}{_even_cure(division)}"
            )
        if name == "train" and not division.has_several:
            yield from _majority_doubt(entry)
        yield from _rare_doubt(name, entry, _even_cure(division))
        if reads_names and division.is_class_per_record:
            yield from _one_group_doubts(name, entry)


def _even_cure(division: Division) -> str:
    """What to do where a split has too little of a class."""
    if division.is_fold:
        return ""
    if division.is_stratified:
        return "; whole groups divide no better, so add groups that have it"
    return "; convert with --stratify, which helps where several groups have it"


def _majority_doubt(entry: SplitFacts) -> Iterator[str]:
    counts = entry.class_counts
    total = entry.labels
    name = max(counts, key=lambda key: counts[key], default="")
    if len(counts) > 1 and total and counts[name] > 0.75 * total:
        yield (
            f"{counts[name] / total:.1%} of the labels of train are {name}: look at the balanced "
            "accuracy, and try --class_weights=balanced"
        )


def _rare_doubt(name: str, entry: SplitFacts, cure: str) -> Iterator[str]:
    total, classes = sum(entry.class_counts.values()), len(entry.class_counts)
    rare = [
        f"{one} ({count:,} of {entry.labels:,})"
        for one, count in entry.class_counts.items()
        if 0 < count < _RARE * total / classes
    ]
    if rare:
        yield (
            f"{name} has few labels of {listed(rare, _MAX_NAMES)}: figures of such a class are "
            f"chance; try --class_weights=balanced{cure}"
        )


def _one_group_doubts(split: str, entry: SplitFacts) -> Iterator[str]:
    if entry.groups < _FEW_GROUPS:
        return
    groups, labels, _ = entry.rows()
    most: dict[str, tuple[int, str]] = {}
    for (one, group), number in Counter(zip(labels, groups, strict=True)).items():
        most[one] = max(most.get(one, (0, "")), (number, group))
    for one, total in sorted(Counter(labels).items()):
        number, group = most[one]
        if total >= _LEAST_TOLD and number > total / 2:
            yield (
                f"{number:,} of {total:,} records of class {one} in {split} are of group {group}: "
                "what is learned may be the group; add others of that class"
            )

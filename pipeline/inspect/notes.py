"""What in a dataset is worth a second look before it is trained on."""

from collections.abc import Iterator

from pipeline.inspect.facts import Facts
from tfrecords_schema import SplitEntry

_MAX_NAMES = 5
_FAR_LONGER = 4


def notes(facts: Facts) -> list[str]:
    """One sentence each, with what to do; none for a dataset that gives no reason."""
    kinds = (_group_notes, _class_notes, _channel_notes, _length_notes)
    return [note for kind in kinds for note in kind(facts)]


def _group_notes(facts: Facts) -> Iterator[str]:
    groups = facts.groups
    if groups.shared:
        yield (
            f"{groups.shared:,} of {groups.number:,} groups have records in more than one split: "
            "figures on those splits are too good; divide by groups"
        )
    if groups.number == facts.records > 1:
        yield (
            "every record is a group of its own: if several are of one person or session, say so "
            "with --group_regex or --group_key, or they are in training and in test"
        )


def _class_notes(facts: Facts) -> Iterator[str]:
    label = facts.dataset.schema.label
    names = label.class_names if label else ()
    for split in facts.splits:
        if not split.entry.records:
            yield f"split {split.name} is empty"
            continue
        missing = [name for name in names if not split.entry.class_counts.get(name)]
        if missing:
            what = "class" if len(missing) == 1 else "the classes"
            yield f"{split.name} has no label of {what} {_names(missing)}"
        if split.name == "train":
            yield from _majority_note(split.entry)


def _majority_note(entry: SplitEntry) -> Iterator[str]:
    counts = entry.class_counts
    total = sum(counts.values())
    name = max(counts, key=lambda key: counts[key], default="")
    if len(counts) > 1 and total and counts[name] > 0.75 * total:
        yield (
            f"{counts[name] / total:.1%} of the labels of train are {name}: look at the balanced "
            "accuracy, and try --class_weights=balanced"
        )


def _channel_notes(facts: Facts) -> Iterator[str]:
    statistics = facts.dataset.manifest.statistics
    if statistics is None:
        return
    constant = [str(i) for i, deviation in enumerate(statistics.deviation) if deviation == 0]
    if constant:
        is_one = len(constant) == 1
        what, changes = ("channel", "changes") if is_one else ("channels", "change")
        yield f"{what} {_names(constant)} never {changes} in train: nothing can be learned there"


def _length_notes(facts: Facts) -> Iterator[str]:
    for split in facts.splits:
        if split.longest > _FAR_LONGER * split.median > 0:
            yield (
                f"the longest record of {split.name} is {split.longest / split.median:,.0f} times "
                "as long as the median: --batch_steps keeps batches of long records small"
            )


def _names(names: list[str]) -> str:
    more = f" and {len(names) - _MAX_NAMES:,} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more

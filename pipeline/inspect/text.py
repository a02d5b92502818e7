"""A dataset, and an epoch of it, in lines of at most 80 columns; what is worth a second look."""

from collections.abc import Iterator

import numpy as np

from pipeline.console import texts
from pipeline.console.tables import as_text
from pipeline.console.texts import bytes_text, counted, listed, wrapped
from pipeline.doubts.division import doubts
from pipeline.inspect import tables
from pipeline.inspect.facts import Facts, Lengths
from pipeline.inspect.plan import EpochFacts
from pipeline.inspect.samples import TimeAxis
from pipeline.inspect.shortcuts import shortcut_table
from pipeline.sources.rejects import left_out_text, rejects_text

_BINS = 10
_BAR = 40
_NOTICEABLE = 0.01
_MAX_NAMES, _MOST_NOTES = 5, 100
_FAR_LONGER = 4


def facts_text(facts: Facts) -> str:
    """What a dataset holds."""
    manifest, (size, *others) = facts.dataset.manifest, about(facts)
    head = [f"{manifest.name} {manifest.version}: {size}", *others]
    parts = [
        "\n".join(map(wrapped, head)),
        as_text(tables.splits(facts)),
        as_text(tables.classes(facts)),
        _lengths(facts.lengths) if facts.lengths else "",
        as_text(tables.channels(facts)),
        as_text(tables.groups(facts)),
        as_text(shortcut_table(facts.shortcuts, facts.dataset.schema.label)),
        rejects_text(facts.rejects, facts.records + sum(row["count"] for row in facts.rejects)),
        left_out_text(manifest.left_out),
        _notes(facts),
    ]
    return "\n\n".join(filter(None, parts))


def epoch_text(epoch: EpochFacts) -> str:
    """What the first epoch of a training will look like."""
    size, *others = epoch_sentences(epoch)
    head = [f"the first epoch of {epoch.split}, seed {epoch.seed}: {size}", *others]
    parts = [
        "\n".join(map(wrapped, head)),
        as_text(tables.shapes(epoch)),
        as_text(tables.replicas(epoch)),
    ]
    return "\n\n".join(filter(None, parts))


def epoch_sentences(epoch: EpochFacts) -> list[str]:
    """How large an epoch is, how much of it is padding and where from, and what it takes."""
    options = epoch.options
    if options.batch_steps is None:
        size = f"{options.batch_size:,} records"
    else:
        size = f"{options.batch_steps:,} padded steps"
    records = counted(len(epoch.lengths), "record")
    batches = counted(epoch.plan.num_steps, "batch", "batches")
    padding = f"{epoch.plan.padding_share:.1%} of the steps are padding"
    if epoch.plan.padding_share - epoch.buckets_padding_share >= _NOTICEABLE:
        padding += (
            f": {epoch.buckets_padding_share:.1%} within the buckets, the rest in batches of "
            "records that full batches left over; smaller batches or fewer buckets leave over fewer"
        )
    memory = f"the largest input takes {bytes_text(epoch.largest.input_bytes)}"
    if epoch.float32_bytes != epoch.largest.input_bytes:
        memory += f" as it is read, {bytes_text(epoch.float32_bytes)} in float32"
    padded = f"padded to {', '.join(map(str, options.boundaries or ()))}"
    return [f"{records} in {batches} of up to {size}", padding, padded, memory]


def about(facts: Facts) -> list[str]:
    """How large a dataset is, what a recording is, and what is known of it."""
    schema, entries = facts.dataset.schema, [split.entry for split in facts.splits]
    step_secs = TimeAxis.of(facts.dataset).step_secs
    steps = texts.steps_text(sum(entry.steps for entry in entries), step_secs)
    size = bytes_text(sum(entry.size_bytes for entry in entries))
    return [
        f"{counted(facts.records, 'record')}, {steps}, {size}",
        f"input: {texts.input_text(schema.input)}",
        f"label: {texts.label_kind_text(schema.label)}",
    ]


def _lengths(lengths: Lengths) -> str:
    of = "the labels of " if lengths.of_labels else ""
    head = f"lengths of {of}{lengths.split}, in steps, and the buckets that pad least"
    return "\n".join(
        [wrapped(head), *_bars(lengths.histogram), "", as_text(tables.buckets(lengths))]
    )


def _notes(facts: Facts) -> str:
    lines = [wrapped(f"- {note}") for note in all_notes(facts)]
    return "\n".join(["worth a look:", *lines]) if lines else ""


def _bars(histogram: dict[int, int]) -> Iterator[str]:
    """A histogram lying on its side, over equal ranges of lengths."""
    lengths, records = np.array(list(histogram)), np.array(list(histogram.values()))
    shortest, longest = int(lengths[0]), int(lengths[-1])
    width = -(-(longest - shortest + 1) // _BINS)
    counts = np.bincount((lengths - shortest) // width, records).astype(np.int64)
    lows = [shortest + width * number for number in range(len(counts))]
    names = [_range(low, min(low + width - 1, longest)) for low in lows]
    for name, count in zip(names, counts.tolist(), strict=True):
        bar = "#" * -(-count * _BAR // int(counts.max()))
        yield f"  {name.rjust(max(map(len, names)))}  {bar}{' ' if bar else ''}{count:,}"


def _range(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def all_notes(facts: Facts) -> list[str]:
    """Those of `notes`, and what gives the label away, for which some records are read.

    Of very many, such as one for each of thousands of splits, the first with the number of others.
    """
    found = [*notes(facts), *(one.warning for one in facts.shortcuts if one.warning)]
    rest = len(found) - _MOST_NOTES
    return [*found[:_MOST_NOTES], f"and {rest:,} more"] if rest > 0 else found


def notes(facts: Facts) -> list[str]:
    """One sentence each, with what to do; none for a dataset that gives no reason."""
    return [*doubts(facts.dataset), *_channel_notes(facts), *_length_notes(facts)]


def _channel_notes(facts: Facts) -> Iterator[str]:
    statistics = facts.dataset.manifest.statistics
    if statistics is None:
        return
    constant = [str(i) for i, deviation in enumerate(statistics.deviation) if deviation == 0]
    if constant:
        is_one = len(constant) == 1
        what, changes = ("channel", "changes") if is_one else ("channels", "change")
        names = listed(constant, _MAX_NAMES)
        yield f"{what} {names} never {changes} in train: nothing can be learned there"


def _length_notes(facts: Facts) -> Iterator[str]:
    for split in facts.splits:
        if split.longest > _FAR_LONGER * split.median > 0:
            yield (
                f"the longest record of {split.name} is {split.longest / split.median:,.0f} times "
                "as long as the median: --batch_steps keeps batches of long records small"
            )

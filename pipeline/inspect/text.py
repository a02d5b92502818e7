"""A dataset, and an epoch of it, as tables of at most 80 columns."""

import textwrap
from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.inspect.facts import Facts, Lengths
from pipeline.inspect.plan import EpochFacts
from pipeline.inspect.samples import TimeAxis
from pipeline.sources.rejects import rejects_text
from tfrecords_schema import RecordSchema, SplitEntry

_WIDTH = 80
_MAX_ROWS = 20
_MAX_SPLITS = 4
_BINS = 10
_BAR = 40
_NOTICEABLE = 0.01


def facts_text(facts: Facts, notes: Sequence[str]) -> str:
    """What a dataset holds."""
    parts = [
        _head(facts),
        _splits(facts),
        _classes(facts),
        _lengths(facts.lengths) if facts.lengths else "",
        _channels(facts),
        _groups(facts),
        _rejects(facts),
        _notes(notes),
    ]
    return "\n\n".join(filter(None, parts))


def epoch_text(epoch: EpochFacts) -> str:
    """What the first epoch of a training will look like."""
    return "\n\n".join(filter(None, [_epoch_head(epoch), _shapes(epoch), _replicas(epoch)]))


def input_text(schema: RecordSchema) -> str:
    """The input in words, as `signal float32 [time, 100, 6]`."""
    spec = schema.input
    return f"{spec.kind} {spec.dtype} [{', '.join(['time', *map(str, spec.step_shape)])}]"


def label_kind_text(schema: RecordSchema) -> str:
    """The label in words, as `one of 7 classes per record`."""
    label = schema.label
    if label is None:
        return "none"
    if label.kind == "class":
        return f"one of {len(label.class_names)} classes per {label.per}"
    shape = f" {list(label.shape)}" if label.shape else ""
    return f"{label.dtype}{shape} value per {label.per}"


def steps_text(steps: int, step_secs: float | None) -> str:
    """A number of steps and, where it is known, how long they take."""
    if not step_secs:
        return f"{steps:,} steps"
    return f"{steps:,} steps ({duration_text(steps * step_secs)})"


def duration_text(secs: float) -> str:
    """A duration in two units at most."""
    if secs < 60:
        return f"{secs:.3g} s"
    minutes = round(secs / 60)
    hours, left = divmod(minutes, 60)
    return f"{hours:,} h {left} min" if hours else f"{minutes} min"


def bytes_text(size: float) -> str:
    """A size in decimal units."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"


def _head(facts: Facts) -> str:
    manifest = facts.dataset.manifest
    entries = [split.entry for split in facts.splits]
    steps = steps_text(sum(entry.steps for entry in entries), TimeAxis.of(facts.dataset).step_secs)
    size = bytes_text(sum(entry.size_bytes for entry in entries))
    return "\n".join(
        [
            f"{manifest.name} {manifest.version}: {facts.records:,} records, {steps}, {size}",
            f"input: {input_text(manifest.schema)}",
            f"label: {label_kind_text(manifest.schema)}",
        ]
    )


def _splits(facts: Facts) -> str:
    rows: list[tuple[str, ...]] = [
        ("split", "records", "groups", "steps", "shortest", "median", "longest", "size")
    ]
    for split in facts.splits:
        entry = split.entry
        numbers = (entry.records, entry.groups, entry.steps)
        lengths = (split.shortest, split.median, split.longest)
        cells = [f"{number:,}" for number in (*numbers, *lengths)]
        rows.append((split.name, *cells, bytes_text(entry.size_bytes)))
    return _table(rows)


def _classes(facts: Facts) -> str:
    label = facts.dataset.schema.label
    names = label.class_names if label else ()
    if not names:
        return ""
    shown = facts.splits[:_MAX_SPLITS]
    rows = [("labels per class", *(split.name for split in shown))]
    for name in names[:_MAX_ROWS]:
        rows.append((name, *(count_text(split.entry, name) for split in shown)))
    return _cut(_table(rows), len(names), "classes")


def count_text(entry: SplitEntry, name: str) -> str:
    """Labels of a class and their share of the split's."""
    count, total = entry.class_counts.get(name, 0), sum(entry.class_counts.values())
    return f"{count:,} ({count / max(total, 1):.1%})"


def _lengths(lengths: Lengths) -> str:
    of = "the labels of " if lengths.of_labels else ""
    rows: list[tuple[str, ...]] = [("buckets", "padding", "boundaries")]
    for row in lengths.buckets:
        cells = (f"{len(row.boundaries):7}", f"{row.padding_share:7.1%}")
        rows.append((*cells, ", ".join(map(str, row.boundaries))))
    head = f"lengths of {of}{lengths.split}, in steps, and the buckets that pad least"
    return "\n".join([_wrapped(head), *_bars(lengths.histogram), "", _table(rows, left=3)])


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


def _channels(facts: Facts) -> str:
    statistics = facts.dataset.manifest.statistics
    if statistics is None:
        return ""
    columns = (statistics.mean, statistics.deviation, statistics.minimum, statistics.maximum)
    rows: list[tuple[str, ...]] = [("channel of train", "mean", "deviation", "least", "greatest")]
    for number, values in enumerate(list(zip(*columns, strict=True))[:_MAX_ROWS]):
        rows.append((str(number), *(f"{value:.4g}" for value in values)))
    return _cut(_table(rows), len(statistics.mean), "channels")


def _groups(facts: Facts) -> str:
    groups = facts.groups
    if groups.number in (0, 1, facts.records):
        return ""
    shown = groups.largest[: _MAX_ROWS // 2]
    rows = [("group", "split", "records", "steps")]
    for row in shown:
        rows.append((row["group"], row["split"], f"{row['records']:,}", f"{row['steps']:,}"))
    return _cut(_table(rows, left=2), groups.number, "groups", len(shown))


def _rejects(facts: Facts) -> str:
    if not facts.rejects:
        return ""
    rejected = sum(group["count"] for group in facts.rejects)
    lines = rejects_text(facts.rejects, facts.records + rejected).split("\n")
    return "\n".join(map(_wrapped, lines))


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    lines = [textwrap.fill(f"- {note}", _WIDTH, subsequent_indent="  ") for note in notes]
    return "\n".join(["worth a look:", *lines])


def _epoch_head(epoch: EpochFacts) -> str:
    options, plan = epoch.options, epoch.plan
    if options.batch_steps is None:
        size = f"{options.batch_size:,} records"
    else:
        size = f"{options.batch_steps:,} padded steps"
    boundaries = ", ".join(map(str, options.boundaries or ()))
    lines = [
        f"the first epoch of {epoch.split}, seed {epoch.seed}: {len(epoch.lengths):,} records in "
        f"{plan.num_steps:,} {'batch' if plan.num_steps == 1 else 'batches'} of up to {size}",
        padding_text(epoch),
        f"padded to {boundaries}",
        memory_text(epoch),
    ]
    return "\n".join(map(_wrapped, lines))


def memory_text(epoch: EpochFacts) -> str:
    """What the largest batch takes, in words."""
    text = f"the largest input takes {bytes_text(epoch.largest.input_bytes)}"
    if epoch.float32_bytes == epoch.largest.input_bytes:
        return text
    return f"{text} as it is read, {bytes_text(epoch.float32_bytes)} in float32"


def padding_text(epoch: EpochFacts) -> str:
    """How much is padding, and where it comes from."""
    text = f"{epoch.plan.padding_share:.1%} of the steps are padding"
    if epoch.plan.padding_share - epoch.buckets_padding_share < _NOTICEABLE:
        return text
    return (
        f"{text}: {epoch.buckets_padding_share:.1%} within the buckets, the rest in batches of "
        "records that full batches left over; smaller batches or fewer buckets leave over fewer"
    )


def _shapes(epoch: EpochFacts) -> str:
    rows = [("shape of the input", "batches", "padding", "input")]
    for shape in epoch.shapes[:_MAX_ROWS]:
        cells = (f"{shape.batches:,}", f"{shape.padding_share:.1%}", bytes_text(shape.input_bytes))
        rows.append((str(list(shape.shape)), *cells))
    return _cut(_table(rows), len(epoch.shapes), "shapes")


def _replicas(epoch: EpochFacts) -> str:
    balance = epoch.balance
    if len(balance.records) == 1:
        return ""
    rows = [("replica", "records", "valid steps")]
    pairs = zip(balance.records.tolist(), balance.valid_steps.tolist(), strict=True)
    for number, (records, steps) in enumerate(list(pairs)[:_MAX_ROWS]):
        rows.append((str(number), f"{records:,}", f"{steps:,}"))
    table = _cut(_table(rows), len(balance.records), "replicas")
    return f"{table}\n{_wrapped(balance_text(epoch))}"


def balance_text(epoch: EpochFacts) -> str:
    """How evenly the replicas are busy, in words."""
    balance = epoch.balance
    text = (
        f"the busiest replica of a step has {balance.mean_excess:.1%} more valid steps than the "
        f"mean, in the worst step {balance.worst_excess:.1%}"
    )
    if balance.empty:
        return f"{text}; {balance.empty:,} times a replica has no record, so fewer would do"
    return text


def _table(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Aligned cells: the first columns to the left, the others to the right.

    Where the line is too long the widest of the left columns is cut.
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    excess = sum(widths) + 2 * (len(widths) - 1) - _WIDTH
    if excess > 0:
        widest = max(range(left), key=lambda column: widths[column])
        widths[widest] = max(widths[widest] - excess, 8)
    return "\n".join(
        "  ".join(
            _shortened(cell, width).ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def _wrapped(line: str) -> str:
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.fill(
        line, _WIDTH, initial_indent="", subsequent_indent=indent + "  ", break_on_hyphens=False,
        drop_whitespace=True, replace_whitespace=False,
    )  # fmt: skip


def _cut(table: str, number: int, what: str, shown: int = _MAX_ROWS) -> str:
    return f"{table}\nand {number - shown:,} more {what}" if number > shown else table

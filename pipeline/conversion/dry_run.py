"""`--dry_run`: what a conversion would do, from the inputs' headers alone; nothing is written."""

import collections
import functools
import itertools
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from pipeline.console.errors import UsageError
from pipeline.console.tables import as_text, label_table
from pipeline.console.texts import counted
from pipeline.conversion.inputs import (
    Decision,
    Outcome,
    count_inputs,
    decide,
    describe,
    fitting,
    rejects,
)
from pipeline.conversion.room import room_text
from pipeline.conversion.shard_plan import ShardPlan, count_sizes, plan_shards
from pipeline.conversion.summary import class_names_text, doubts_text, schema_text, splits_text
from pipeline.doubts.division import doubts_of
from pipeline.doubts.facts import Rows, division_of
from pipeline.sources.division.group_splits import (
    GroupCounts,
    class_counts,
    count_groups,
    decide_splits,
    divide,
    earlier_splits,
)
from pipeline.sources.listing import group_by_id, listed
from pipeline.sources.options import ConvertOptions
from pipeline.sources.rejects import (
    group_rejects,
    left_out_text,
    noted,
    rejects_text,
)
from pipeline.sources.source import Description, Source
from tfrecords_schema import SplitEntry
from tfrecords_schema.left_out import Tally
from tfrecords_schema.names import UNLABELLED

_THREADS = 8
_MAX_LISTED, _TRIED, _SHOWN_REASONS = 5000, 30, 3


def dry_run(source: Source, options: ConvertOptions) -> str:
    """Describes every input, divides and plans as a conversion does (`job.py`), in this process.

    All descriptions are in memory at once, about 1 kB each.

    Returns:
      What would come of it, as text. What only reading the data shows, such as a damaged array or
      NaN in a signal, is not in it.

    Raises:
      UsageError: if the conversion would be refused; the message has the rejects.
    """
    left_out = Tally()
    outcomes = _describe_all(source, left_out)
    counts = count_inputs(outcomes)
    decision = decide(counts, source)
    kept = [*fitting(outcomes, decision)]
    groups = _groups(kept, decision, options)
    records = [*divide(kept, groups, options)]
    plan = plan_shards(count_sizes(records), counts, decision, groups, options)
    left_out.update([*decision.left_out, *plan.left_out])
    for found in records:
        left_out.update(noted(found.left_out, found.path))
    for found in kept:
        if decision.labels and found.split != UNLABELLED:
            left_out.update(noted(decision.labels.gaps(found), found.path))
    said = [
        rejects_text(group_rejects(sorted(rejects(outcomes, decision))), counts.total),
        left_out_text(left_out.rows()),
    ]
    if plan.refusal:
        raise UsageError("\n".join(filter(None, [plan.refusal, *said])))
    by_split = _by_split(kept, records)
    entries = {split: _entry(members, decision) for split, members in by_split.items()}
    summary = _summary(records, decision, plan)
    label = decision.labels.spec if decision.labels else None
    if decision.labels and not decision.labels.are_of_samples:  # Else they are those of samples.
        table = label_table(label, entries)
        summary += f"\n\n{as_text(table)}" if table.rows else ""
    division = division_of(
        label, entries, lambda split: _rows(by_split[split], decision), lambda: 0,
        is_stratified=options.stratify,
    )  # fmt: skip
    if doubts := doubts_of(division):
        said.append(doubts_text(doubts))
    room = room_text(plan, options.dataset_dir)
    where = f"nothing was written; the dataset would be {options.dataset_dir}, which {room}"
    return "\n\n".join(filter(None, [summary, *said, where]))


def try_out(source: Source) -> list[str]:
    """Why a conversion would reject some inputs, a line for each reason, or be refused.

    Args:
      source: a few of its inputs are looked into; its options allow any number of rejects.
    """
    files = itertools.islice(listed(source, Tally()), _MAX_LISTED)
    inputs = sorted(files)
    tried = inputs[:: max(1, len(inputs) // _TRIED)][:_TRIED]
    outcomes = [*itertools.chain(*(describe(source, file.path, [file]) for file in tried))]
    counts = count_inputs(outcomes)
    decision = decide(counts, source)
    found = [
        f"of {counted(len(tried), 'input')} tried, {group['count']} would be rejected: "
        f"{group['reason']} (as {group['examples'][0]})"
        for group in group_rejects(sorted(rejects(outcomes, decision)))[:_SHOWN_REASONS]
    ]
    if decision.refusal and counts.signatures:
        found.append(f"the conversion would be refused: {decision.refusal}")
    return found


def _describe_all(source: Source, left_out: Tally) -> list[Outcome]:
    by_id = group_by_id(source, listed(source, left_out))
    described = functools.partial(describe, source)
    with ThreadPoolExecutor(_THREADS) as threads:
        return [*itertools.chain.from_iterable(threads.map(described, by_id, by_id.values()))]


def _groups(
    kept: Sequence[Description], decision: Decision, options: ConvertOptions
) -> GroupCounts:
    earlier, labels = earlier_splits(options), decision.labels
    inputs = (
        (one.group, one.split, one.path, class_counts(one, labels))
        for one in kept
        if one.split != UNLABELLED
    )
    counts = count_groups(inputs, options, earlier, decision.num_classes)
    return decide_splits(counts, options, earlier)


def _by_split(
    kept: Sequence[Description], records: Iterable[Description]
) -> dict[str, list[Description]]:
    """Inputs with their labels by the splits that they have in records."""
    by_split: dict[str, list[Description]] = collections.defaultdict(list)
    for found, record in zip(kept, records, strict=True):
        if record.split != UNLABELLED:
            by_split[record.split].append(found)
    return dict(sorted(by_split.items()))


def _entry(members: Sequence[Description], decision: Decision) -> SplitEntry:
    """What a manifest would say of a split, as far as descriptions do."""
    names = decision.labels.spec.class_names if decision.labels else ()
    total: collections.Counter[str] = collections.Counter(dict.fromkeys(names, 0))
    for found in members:
        for index, count in class_counts(found, decision.labels):
            total[names[index]] += count
    missing: collections.Counter[str] = collections.Counter()
    if decision.labels and not decision.labels.are_of_samples:
        for found in members:
            counts = zip(decision.labels.names, decision.labels.missing(found), strict=True)
            missing.update(dict(counts))
    steps, groups = sum(one.steps for one in members), len({one.group for one in members})
    return SplitEntry(
        (), len(members), groups, steps, 0, dict(total), {},
        missing_labels=missing[""], missing_heads=missing,
    )  # fmt: skip


def _rows(members: Sequence[Description], decision: Decision) -> Rows:
    """Groups, labels where a record has one class, and paths."""
    label = decision.labels.spec if decision.labels else None
    labels = [""] * len(members)
    if label and label.is_class_feature:
        of = [class_counts(found, decision.labels) for found in members]
        labels = [label.class_names[counts[0][0]] for counts in of]
    return Rows([one.group for one in members], labels, [one.path for one in members])


def _summary(records: Sequence[Description], decision: Decision, plan: ShardPlan) -> str:
    rows = []
    for split in plan.borders:
        of_split = [record for record in records if record.split == split]
        rows.append(
            (
                split,
                len(of_split),
                len({record.group for record in of_split}),
                sum(record.steps for record in of_split),
                plan.num_shards(split),
                sum(record.size_bytes for record in of_split),
            )
        )
    assert decision.schema is not None
    why = decision.labels.why if decision.labels else ""
    about = [schema_text(decision.schema, why), class_names_text(decision.schema)]
    return "\n".join([splits_text(rows), "", *filter(None, about)])

"""`--dry_run`: what a conversion would do, from the inputs' headers alone; nothing is written."""

import collections
import functools
import itertools
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from pipeline.console.errors import UsageError
from pipeline.console.tables import as_text, class_table
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
from pipeline.doubts.facts import Division, Rows, SplitFacts
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
    without_label,
)
from pipeline.sources.source import Description, Source
from tfrecords_schema.left_out import Tally
from tfrecords_schema.names import UNLABELLED

_THREADS = 8


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
        if found.label and found.split != UNLABELLED:
            what = "sample" if decision.labels and decision.labels.windows else "step"
            left_out.update(noted(without_label(what, found.label.unknown), found.path))
    said = [
        rejects_text(group_rejects(sorted(rejects(outcomes, decision))), counts.total),
        left_out_text(left_out.rows()),
    ]
    if plan.refusal:
        raise UsageError("\n".join(filter(None, [plan.refusal, *said])))
    division = _division(kept, records, decision, options)
    summary = _summary(records, decision, plan)
    if decision.labels and not decision.labels.windows:  # Else they are those of samples.
        labels = {name: split.class_counts for name, split in division.splits.items()}
        sizes = {name: split.labels for name, split in division.splits.items()}
        summary += "\n\n" + as_text(class_table(division.classes, labels, labels=sizes))
    if doubts := doubts_of(division):
        said.append(doubts_text(doubts))
    room = room_text(plan, options.dataset_dir)
    where = f"nothing was written; the dataset would be {options.dataset_dir}, which {room}"
    return "\n\n".join(filter(None, [summary, *said, where]))


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


def _division(
    kept: Sequence[Description],
    records: Iterable[Description],
    decision: Decision,
    options: ConvertOptions,
) -> Division:
    """The dataset that would be, from inputs with their labels and the same with their splits."""
    by_split: dict[str, list[Description]] = collections.defaultdict(list)
    for found, record in zip(kept, records, strict=True):
        if record.split != UNLABELLED:
            by_split[record.split].append(found)
    names = decision.labels.spec.class_names if decision.labels else ()
    is_class = bool(decision.labels and decision.labels.spec.is_class_feature)
    has_several = bool(decision.labels and decision.labels.spec.kind == "classes")

    def facts(members: Sequence[Description]) -> SplitFacts:
        counts = [class_counts(found, decision.labels) for found in members]
        total: collections.Counter[str] = collections.Counter(dict.fromkeys(names, 0))
        for index, count in itertools.chain.from_iterable(counts):
            total[names[index]] += count
        labels = [names[of[0][0]] if is_class else "" for of in counts]
        rows = Rows([one.group for one in members], labels, [one.path for one in members])
        per, known = decision.labels.spec.per if decision.labels else "", total.total()
        if has_several:
            known = len(members) if per == "record" else sum(one.steps for one in members)
        return SplitFacts(len(members), len({*rows.groups}), total, known, lambda: rows)

    splits = {split: facts(members) for split, members in sorted(by_split.items())}
    return Division(splits, names, is_class, lambda: 0, options.stratify, has_several=has_several)


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

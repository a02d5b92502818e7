"""`--dry_run`: what a conversion would do, from the inputs' headers alone; nothing is written."""

import collections
import functools
import itertools
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from pipeline.console.errors import UsageError
from pipeline.conversion.describe import Outcome, describe
from pipeline.conversion.inputs import Decision, Facts, check, decide, too_many_rejects
from pipeline.conversion.shard_plan import (
    CombineGroups,
    CombineSizes,
    GroupFacts,
    Member,
    plan_shards,
    refuse_splits,
    to_member,
)
from pipeline.conversion.summary import class_names_text, schema_text, splits_text
from pipeline.sources.options import ConvertOptions
from pipeline.sources.rejects import group_rejects, rejects_text
from pipeline.sources.source import Description, InputFile, Reject, Source, checked_file

_THREADS = 8


def dry_run(source: Source, options: ConvertOptions) -> str:
    """Describes every input, divides and plans as a conversion would, in this process.

    All descriptions are in memory at once, about 1 kB each.

    Returns:
      What would come of it, as text. What only reading the data shows, such as a damaged array or
      NaN in a signal, is not in it.

    Raises:
      UsageError: if the conversion would be refused; the message has the rejects.
    """
    outcomes = list(_describe_all(source))
    facts = Facts()
    for outcome in outcomes:
        facts.add(outcome)
    decision = decide(facts, options, source.kind())
    checked = outcomes
    if not decision.refusal:
        checked = [
            outcome if isinstance(outcome, Reject) else check(outcome, decision) or outcome
            for outcome in outcomes
        ]
    rejects = sorted(outcome for outcome in checked if isinstance(outcome, Reject))
    text = rejects_text(group_rejects(rejects), len(outcomes))
    kept = [outcome for outcome in checked if isinstance(outcome, Description)]
    try:
        _require(decision.refusal or too_many_rejects(len(rejects), len(outcomes), options))
        summary = _summary(kept, decision, options)
    except UsageError as error:
        raise UsageError("\n".join(filter(None, [str(error), text]))) from error
    where = f"nothing was written; the dataset would be {options.dataset_dir}"
    return "\n\n".join(filter(None, [summary, text, where]))


def _describe_all(source: Source) -> Iterator[Outcome]:
    by_id: dict[str, list[InputFile]] = collections.defaultdict(list)
    for file in map(checked_file, source.list_inputs()):
        by_id[source.record_id(file.path)].append(file)

    described = functools.partial(describe, source)
    with ThreadPoolExecutor(_THREADS) as threads:
        yield from itertools.chain.from_iterable(threads.map(described, by_id, by_id.values()))


def _summary(kept: list[Description], decision: Decision, options: ConvertOptions) -> str:
    groups = _groups(kept, options)
    members = [to_member(description, groups, options) for description in kept]
    sizes = CombineSizes().create_accumulator()
    for member in members:
        CombineSizes().add_input(sizes, member)
    _require(refuse_splits(sizes.records, groups, options))
    plan = plan_shards(sizes, options)
    rows = (
        (
            split,
            len(found),
            len({description.group for description in found}),
            sum(description.steps for description in found),
            plan.num_shards(split),
            sum(description.size_bytes for description in found),
        )
        for split, found in _by_split(members, kept).items()
    )
    assert decision.schema is not None
    why = decision.labels.why if decision.labels else ""
    about = [schema_text(decision.schema, why), class_names_text(decision.schema)]
    return "\n".join([splits_text(rows), "", *filter(None, about)])


def _groups(kept: Iterable[Description], options: ConvertOptions) -> GroupFacts:
    splits: dict[str, dict[str, str]] = collections.defaultdict(dict)
    for description in kept:
        path = splits[description.group].get(description.split, description.path)
        splits[description.group][description.split] = min(path, description.path)
    combine = CombineGroups(options)
    facts = combine.create_accumulator()
    for item in splits.items():
        facts = combine.add_input(facts, item)
    return facts


def _by_split(
    members: Iterable[Member], kept: Iterable[Description]
) -> dict[str, list[Description]]:
    found: dict[str, list[Description]] = collections.defaultdict(list)
    for member, description in zip(members, kept, strict=True):
        found[member.split].append(description)
    return dict(sorted(found.items()))


def _require(refusal: str) -> None:
    if refusal:
        raise UsageError(refusal)

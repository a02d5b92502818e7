"""The Beam graph of a conversion. Only names and descriptions cross a shuffle, never data.

list -> group by id -> describe -> decide the schema -> check -> split -> plan the shards
     -> group by shard -> write each shard -> commit

What is known of the inputs is kept once, as packs of descriptions. Whether one fits the schema, and
which split and shard it belongs to, is worked out again by each step that asks: that takes less
than keeping the answers.
"""

# ruff: noqa: E402
from pipeline.console import quiet

quiet.start(gpu=False)  # Before TensorFlow is imported, also in the workers of any runner.

import collections
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import apache_beam as beam
from apache_beam.pvalue import AsIter, AsSingleton

from pipeline.conversion.commit import commit
from pipeline.conversion.describe import Outcome, describe
from pipeline.conversion.inputs import (
    CombineFacts,
    Decision,
    Facts,
    check,
    decide,
    too_many_rejects,
)
from pipeline.conversion.packs import GroupInPacks, Pack, bucket_of, each, unpack
from pipeline.conversion.shard_plan import (
    CombineGroups,
    CombineSizes,
    GroupFacts,
    Member,
    ShardPlan,
    SplitSizes,
    plan_shards,
    refuse_splits,
    to_member,
)
from pipeline.conversion.shard_writer import ShardJob, ShardWriter
from pipeline.conversion.work_dir import ProgressFile, WorkDir
from pipeline.sources.options import ConvertOptions
from pipeline.sources.source import Description, InputFile, Reject, Source, checked_file

Plan = tuple[ShardPlan | None, str]  # The plan, or why there is none.
_CLASSES_PER_WEIGHT = 16  # They take about as much memory as the rest of a description.


def build(pipeline: beam.Pipeline, source: Source, options: ConvertOptions) -> None:
    """Adds the whole conversion to a pipeline."""
    outcomes = (
        pipeline
        | "Start" >> beam.Create([None])
        | "List" >> beam.FlatMap(_list, source)
        | "GroupById" >> GroupInPacks()
        | "Describe" >> beam.ParDo(_Describe(source, options))
        | "Outcomes" >> Pack(_weigh)
    )
    facts = (
        outcomes
        | "Unpack" >> beam.FlatMap(unpack)
        | "Facts" >> beam.CombineGlobally(CombineFacts())
    )
    decision = AsSingleton(facts | "Decide" >> beam.Map(decide, options, source.kind()))
    groups = AsSingleton(
        outcomes
        | "GroupOf" >> beam.FlatMap(each(_group_of), decision)
        | "GroupByBucket" >> GroupInPacks()
        | "SplitsOfGroup" >> beam.FlatMapTuple(_merge_splits)
        | "Groups" >> beam.CombineGlobally(CombineGroups(options))
    )
    plan = AsSingleton(
        outcomes
        | "Split" >> beam.FlatMap(each(_split), decision, groups, options)
        | "Sizes" >> beam.CombineGlobally(CombineSizes())
        | "Plan" >> beam.Map(_plan, AsSingleton(facts), decision, groups, options)
    )
    written = (
        outcomes
        | "ShardOf" >> beam.FlatMap(each(_shard_of), decision, groups, plan, options)
        | "GroupByShard" >> GroupInPacks()
        | "Write" >> beam.ParDo(_Write(source, options), decision, plan)
    )
    rejects = outcomes | "Rejects" >> beam.FlatMap(each(_rejects), decision)
    _ = facts | "Commit" >> beam.Map(
        _commit, options, decision, plan, AsIter(rejects), AsIter(written)
    )


def _weigh(outcome: Outcome) -> int:
    label = outcome.label if isinstance(outcome, Description) else None
    return 1 + (len(label.classes) // _CLASSES_PER_WEIGHT if label else 0)


class _Describe(beam.DoFn):
    """`(bucket, packs of files)` to descriptions and rejects."""

    def __init__(self, source: Source, options: ConvertOptions):
        super().__init__()
        self._source = source
        self._work_dir = WorkDir(options.dataset_dir).path

    def setup(self) -> None:
        self._progress = ProgressFile(self._work_dir)

    def process(self, element: tuple[int, Iterable[bytes]]) -> Iterator[Outcome]:
        by_id: dict[str, list[InputFile]] = collections.defaultdict(list)
        for file in unpack(*element[1]):
            by_id[self._source.record_id(file.path)].append(file)
        for record_id, files in by_id.items():
            yield from describe(self._source, record_id, files)
            self._progress.add(described=len(files))


class _Write(beam.DoFn):
    """`((split, shard), members)` to a shard in the work folder."""

    def __init__(self, source: Source, options: ConvertOptions):
        super().__init__()
        self._source = source
        self._options = options

    def setup(self) -> None:
        self._progress = ProgressFile(WorkDir(self._options.dataset_dir).path)
        self._helpers = ThreadPoolExecutor(max_workers=2)

    def process(
        self, element: tuple[tuple[str, int], Iterable[bytes]], decision: Decision, plan: Plan
    ) -> Iterator[tuple[str, int]]:
        (split, shard), packs = element
        assert plan[0] is not None
        writer = ShardWriter(self._source, decision, self._options, self._progress, self._helpers)
        members = sorted(unpack(*packs), key=lambda member: member.order)
        writer.write(ShardJob(split, shard, plan[0].num_shards(split), members))
        yield split, shard

    def finish_bundle(self) -> None:
        self._progress.flush()

    def teardown(self) -> None:
        self._helpers.shutdown()


def _list(_: None, source: Source) -> Iterator[tuple[int, InputFile]]:
    for file in map(checked_file, source.list_inputs()):
        yield bucket_of(source.record_id(file.path)), file


def _checked(outcome: Outcome, decision: Decision) -> Outcome | None:
    """What is left of a description once the schema is known; nothing if there is no schema."""
    if isinstance(outcome, Reject):
        return outcome
    return None if decision.refusal else check(outcome, decision) or outcome


def _fitting(outcome: Outcome, decision: Decision) -> Iterator[Description]:
    checked = _checked(outcome, decision)
    if isinstance(checked, Description):
        yield checked


def _rejects(outcome: Outcome, decision: Decision) -> Iterator[Reject]:
    checked = _checked(outcome, decision)
    if isinstance(checked, Reject):
        yield checked


def _group_of(outcome: Outcome, decision: Decision) -> Iterator[tuple[int, tuple[str, str, str]]]:
    for found in _fitting(outcome, decision):
        yield bucket_of(found.group), (found.group, found.split, found.path)


def _merge_splits(_: int, packs: Iterable[bytes]) -> Iterator[tuple[str, dict[str, str]]]:
    """For each group one example path, the first by name, in each split that it has a file in."""
    groups: dict[str, dict[str, str]] = collections.defaultdict(dict)
    for group, split, path in unpack(*packs):
        groups[group][split] = min(path, groups[group].get(split, path))
    yield from groups.items()


def _split(
    outcome: Outcome, decision: Decision, groups: GroupFacts, options: ConvertOptions
) -> Iterator[Member]:
    for found in _fitting(outcome, decision):
        yield to_member(found, groups, options)


def _plan(
    sizes: SplitSizes,
    facts: Facts,
    decision: Decision,
    groups: GroupFacts,
    options: ConvertOptions,
) -> Plan:
    rejected = facts.total - sizes.records.total()
    refusal = (
        decision.refusal
        or too_many_rejects(rejected, facts.total, options)
        or refuse_splits(sizes.records, groups, options)
    )
    if refusal:
        return None, refusal
    plan = plan_shards(sizes, options)
    WorkDir(options.dataset_dir).write_plan(
        {"records": sum(plan.records.values()), "size_bytes": sum(plan.size_bytes.values())}
    )
    return plan, ""


def _shard_of(
    outcome: Outcome,
    decision: Decision,
    groups: GroupFacts,
    plan: Plan,
    options: ConvertOptions,
) -> Iterator[tuple[tuple[str, int], Member]]:
    for member in _split(outcome, decision, groups, options):
        if plan[0] is not None:
            yield (member.split, plan[0].shard_of(member)), member


def _commit(
    facts: Facts,
    options: ConvertOptions,
    decision: Decision,
    plan: Plan,
    rejects: Iterable[Reject],
    written: Iterable[tuple[str, int]],
) -> None:
    list(written)  # All shards are there once this side input is.
    commit(options, decision, plan[0], plan[1], rejects, facts.total)

"""The Beam graph of a conversion. Only names and descriptions cross a shuffle, never data.

list -> group by id -> describe -> decide the schema -> check -> split -> plan the shards
     -> group by shard -> write each shard -> commit
"""

import pipeline.quiet  # noqa: F401  # Before TensorFlow, also in worker processes.

# isort: split
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import apache_beam as beam
from apache_beam.pvalue import AsIter, AsSingleton

from pipeline.commit import commit
from pipeline.errors import RejectedInputError, printable
from pipeline.facts import CombineFacts, Decision, Facts, check, decide
from pipeline.options import ConvertOptions
from pipeline.shard_plan import (
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
from pipeline.shard_writer import ShardJob, ShardWriter
from pipeline.source import Description, InputFile, Reject, Source
from pipeline.work_dir import ProgressFile, WorkDir

Plan = tuple[ShardPlan | None, str]  # The plan, or why there is none.


def build(pipeline: beam.Pipeline, source: Source, options: ConvertOptions) -> None:
    """Adds the whole conversion to a pipeline."""
    outcomes = (
        pipeline
        | "Start" >> beam.Create([None])
        | "List" >> beam.FlatMap(_list, source)
        | "GroupById" >> beam.GroupByKey()
        | "Describe" >> beam.ParDo(_Describe(source, options))
    )
    facts = outcomes | "Facts" >> beam.CombineGlobally(CombineFacts())
    decision = facts | "Decide" >> beam.Map(decide, options, source.kind())
    checked = outcomes | "Check" >> beam.FlatMap(_check, AsSingleton(decision))
    groups = (
        checked
        | "GroupOf" >> beam.FlatMap(_group_of)
        | "SplitsOfGroup" >> beam.CombinePerKey(_merge_splits)
        | "Groups" >> beam.CombineGlobally(CombineGroups(options))
    )
    members = checked | "Split" >> beam.FlatMap(_split, AsSingleton(groups), options)
    plan = (
        members
        | "Sizes" >> beam.CombineGlobally(CombineSizes())
        | "Plan" >> beam.Map(_plan, AsSingleton(decision), AsSingleton(groups), options)
    )
    written = (
        members
        | "ShardOf" >> beam.FlatMap(_shard_of, AsSingleton(plan))
        | "GroupByShard" >> beam.GroupByKey()
        | "Write" >> beam.ParDo(_Write(source, options), AsSingleton(decision), AsSingleton(plan))
    )
    rejects = ((outcomes, checked) | beam.Flatten()) | "Rejects" >> beam.FlatMap(_rejects)
    _ = facts | "Commit" >> beam.Map(
        _commit,
        options,
        AsSingleton(decision),
        AsSingleton(plan),
        AsIter(rejects),
        AsIter(written),
    )


class _Describe(beam.DoFn):
    """`(id, files)` to a description, or to rejects."""

    def __init__(self, source: Source, options: ConvertOptions):
        super().__init__()
        self._source = source
        self._work_dir = WorkDir(options.dataset_dir).path

    def setup(self) -> None:
        self._progress = ProgressFile(self._work_dir)

    def process(self, element: tuple[str, Iterable[InputFile]]) -> Iterator[Description | Reject]:
        record_id, listed = element
        files = sorted(listed)
        paths = [file.path for file in files]
        self._progress.add(described=len(paths))
        if len(paths) > 1:
            yield from (_duplicate(record_id, path, paths) for path in paths)
            return
        if files[0].problem:
            yield Reject(paths[0], "list", files[0].problem)
            return
        try:
            yield self._source.describe(paths[0])
        except RejectedInputError as error:
            yield Reject(paths[0], "describe", str(error))


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
        self, element: tuple[tuple[str, int], Iterable[Member]], decision: Decision, plan: Plan
    ) -> Iterator[tuple[str, int]]:
        (split, shard), members = element
        assert plan[0] is not None
        writer = ShardWriter(self._source, decision, self._options, self._progress, self._helpers)
        job = ShardJob(split, shard, plan[0].num_shards(split), sorted(members))
        writer.write(job)
        yield split, shard

    def finish_bundle(self) -> None:
        self._progress.flush()

    def teardown(self) -> None:
        self._helpers.shutdown()


def _list(_: None, source: Source) -> Iterator[tuple[str, InputFile]]:
    for file in source.list_inputs():
        record_id = source.record_id(file.path)
        problem = ""
        if printable(file.path) != file.path:
            problem = "its name is not UTF-8; rename it"
        elif not file.size_bytes:  # It is not opened: a pipe has no bytes, too, and never ends.
            problem = "it is empty; remove it, or copy it again"
        yield printable(record_id), InputFile(printable(file.path), file.size_bytes, problem)


def _duplicate(record_id: str, path: str, paths: list[str]) -> Reject:
    others = ", ".join(other for other in paths if other != path)
    return Reject(
        path, "list", f"its id {record_id!r} is also that of {others}; rename or remove one"
    )


def _check(outcome: Description | Reject, decision: Decision) -> Iterator[Description | Reject]:
    if isinstance(outcome, Description) and not decision.refusal:
        yield check(outcome, decision) or outcome


def _rejects(outcome: Description | Reject) -> Iterator[Reject]:
    if isinstance(outcome, Reject):
        yield outcome


def _group_of(outcome: Description | Reject) -> Iterator[tuple[str, dict[str, str]]]:
    if isinstance(outcome, Description):
        yield outcome.group, {outcome.split: outcome.path}


def _merge_splits(found: Iterable[dict[str, str]]) -> dict[str, str]:
    """One example path, the first by name, for each split in which a group has a file."""
    merged: dict[str, str] = {}
    for splits in found:
        for split, path in splits.items():
            merged[split] = min(path, merged.get(split, path))
    return merged


def _split(
    outcome: Description | Reject, groups: GroupFacts, options: ConvertOptions
) -> Iterator[Member]:
    if isinstance(outcome, Description):
        yield to_member(outcome, groups, options)


def _plan(
    sizes: SplitSizes, decision: Decision, groups: GroupFacts, options: ConvertOptions
) -> Plan:
    refusal = decision.refusal or refuse_splits(sizes.records, groups, options)
    if refusal:
        return None, refusal
    plan = plan_shards(sizes, options)
    WorkDir(options.dataset_dir).write_plan(
        {"records": sum(plan.records.values()), "size_bytes": sum(plan.size_bytes.values())}
    )
    return plan, ""


def _shard_of(member: Member, plan: Plan) -> Iterator[tuple[tuple[str, int], Member]]:
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
    total = facts.rejected + facts.signatures.total()
    commit(options, decision, plan[0], plan[1], rejects, total)

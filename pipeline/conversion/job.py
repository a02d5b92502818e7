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

from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsIter, AsSingleton, TaggedOutput

from pipeline.conversion.commit import commit
from pipeline.conversion.inputs import (
    Decision,
    InputCounts,
    Outcome,
    add_input_counts,
    count_inputs,
    decide,
    describe,
    fitting,
    rejects,
)
from pipeline.conversion.packs import group_in_packs, pack_all, shuffle_bucket, unpack
from pipeline.conversion.room import too_little_room
from pipeline.conversion.shard_plan import (
    ShardPlan,
    SplitSizes,
    add_sizes,
    count_sizes,
    plan_shards,
)
from pipeline.conversion.shard_writer import ShardWriter
from pipeline.conversion.work_dir import ProgressFile, WorkDir
from pipeline.sources.division.group_splits import (
    GroupCounts,
    GroupInput,
    add_group_counts,
    class_counts,
    count_groups,
    decide_splits,
    divide,
    earlier_splits,
)
from pipeline.sources.division.split_table import SplitTable
from pipeline.sources.listing import group_by_id
from pipeline.sources.listing import listed as listed_inputs
from pipeline.sources.options import ConvertOptions
from pipeline.sources.source import Description, InputFile, Reject, Source
from tfrecords_schema.left_out import LeftOut, Tally
from tfrecords_schema.names import UNLABELLED

_PASSED_OVER = "passed_over"
_CLASSES_PER_WEIGHT = 16  # They take about as much memory as the rest of a description.


def build(pipeline: beam.Pipeline, source: Source, options: ConvertOptions, lock_path: str) -> None:
    """Adds the whole conversion to a pipeline.

    Args:
      pipeline: takes the graph.
      source: the inputs.
      options: the conversion's options.
      lock_path: of the lock by which the dataset folder is this conversion's.
    """
    start = pipeline | "Start" >> beam.Create([None])
    earlier = AsSingleton(start | "Earlier" >> beam.Map(lambda _: earlier_splits(options)))
    listed = start | "List" >> beam.FlatMap(_list, source).with_outputs(_PASSED_OVER, main="inputs")
    outcomes = (
        listed["inputs"]
        | "GroupById" >> group_in_packs()
        | "Describe" >> beam.ParDo(_Describe(source, options))
    )
    counts = (
        outcomes
        | "Count" >> beam.Map(lambda pack: count_inputs(unpack(pack)))
        | "Counts" >> beam.CombineGlobally(add_input_counts)
    )
    decision = AsSingleton(counts | "Decide" >> beam.Map(decide, source))
    groups = AsSingleton(
        outcomes
        | "GroupOf" >> beam.FlatMap(_group_of, decision, options)
        | "GroupByBucket" >> group_in_packs()
        | "CountGroups" >> beam.Map(_count_groups, decision, earlier, options)
        | "Groups" >> beam.CombineGlobally(add_group_counts, options)
        | "DecideSplits" >> beam.Map(decide_splits, options, earlier)
    )
    plan = AsSingleton(
        outcomes
        | "Split" >> beam.Map(lambda *args: count_sizes(_divided(*args)), decision, groups, options)
        | "Sizes" >> beam.CombineGlobally(add_sizes)
        | "Plan" >> beam.Map(_plan, AsSingleton(counts), decision, groups, options)
    )
    written = (
        outcomes
        | "ShardOf" >> beam.FlatMap(_shard_of, decision, groups, plan, options)
        | "GroupByShard" >> group_in_packs()
        | "Write" >> beam.ParDo(ShardWriter(source, options), decision, plan)
    )
    rejected = outcomes | "Rejects" >> beam.FlatMap(
        lambda pack, decision: rejects(unpack(pack), decision), decision
    )
    _ = counts | "Commit" >> beam.Map(
        _commit,
        options,
        lock_path,
        decision,
        plan,
        AsIter(rejected),
        AsIter(written),
        AsSingleton(listed[_PASSED_OVER]),
    )


def _list(_: None, source: Source) -> Iterator[Any]:
    """`(bucket, file)` of each input; what is passed over is one element of another output."""
    passed_over = Tally()
    for file in listed_inputs(source, passed_over):
        yield shuffle_bucket(source.record_id(file.path)), file
    yield TaggedOutput(_PASSED_OVER, passed_over.rows())


class _Describe(beam.DoFn):
    """`(bucket, packs of files)` to packs of descriptions and rejects."""

    def __init__(self, source: Source, options: ConvertOptions):
        super().__init__()
        self._source = source
        self._work_dir = WorkDir(options.dataset_dir).path

    def setup(self) -> None:
        self._progress = ProgressFile(self._work_dir)

    def process(self, element: tuple[int, Iterable[bytes]]) -> Iterator[bytes]:
        return pack_all(self._described(unpack(*element[1])), _weigh)

    def _described(self, files: Iterable[InputFile]) -> Iterator[Outcome]:
        for record_id, of_id in group_by_id(self._source, files).items():
            yield from describe(self._source, record_id, of_id)
            self._progress.add(described=len(of_id))


def _weigh(outcome: Outcome) -> int:
    labels = outcome.labels if isinstance(outcome, Description) else ()
    classes = sum(len(label.classes) + len(label.looks.ones) for label in labels if label)
    return 1 + classes // _CLASSES_PER_WEIGHT


def _group_of(
    pack: bytes, decision: Decision, options: ConvertOptions
) -> Iterator[tuple[int, GroupInput]]:
    for found in fitting(unpack(pack), decision):
        if found.split == UNLABELLED:
            continue  # Nothing is learned from it or measured on it, so it divides nothing.
        labels = class_counts(found, decision.labels) if options.stratify else ()
        yield shuffle_bucket(found.group), (found.group, found.split, found.path, labels)


def _count_groups(
    bucket: tuple[int, Iterable[bytes]],
    decision: Decision,
    earlier: SplitTable,
    options: ConvertOptions,
) -> GroupCounts:
    return count_groups(unpack(*bucket[1]), options, earlier, decision.num_classes)


def _divided(
    pack: bytes, decision: Decision, groups: GroupCounts, options: ConvertOptions
) -> Iterator[Description]:
    return divide(fitting(unpack(pack), decision), groups, options)


def _plan(
    sizes: SplitSizes,
    counts: InputCounts,
    decision: Decision,
    groups: GroupCounts,
    options: ConvertOptions,
) -> ShardPlan:
    plan = plan_shards(sizes, counts, decision, groups, options)
    if not plan.refusal and (problem := too_little_room(plan, decision, options.dataset_dir)):
        plan = ShardPlan(refusal=problem)
    if not plan.refusal:
        work_dir = WorkDir(options.dataset_dir)
        work_dir.write_plan({"records": plan.records, "size_bytes": plan.size_bytes})
    return plan


def _shard_of(
    pack: bytes,
    decision: Decision,
    groups: GroupCounts,
    plan: ShardPlan,
    options: ConvertOptions,
) -> Iterator[tuple[tuple[str, int], Description]]:
    if not plan.refusal:
        for record in _divided(pack, decision, groups, options):
            yield (record.split, plan.shard_of(record)), record


def _commit(
    counts: InputCounts,
    options: ConvertOptions,
    lock_path: str,
    decision: Decision,
    plan: ShardPlan,
    rejected: Iterable[Reject],
    written: Iterable[tuple[str, int]],
    passed_over: Iterable[LeftOut],
) -> None:
    list(written)  # All shards are there once this side input is.
    commit(options, lock_path, decision, plan, plan.refusal, rejected, counts.total, passed_over)

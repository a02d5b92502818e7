"""Plans of more records than are planned at once, with the limits set low."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.batches import deal, plan_blocks
from pipeline.batches.batch_reader import BatchReader
from pipeline.batches.deal import NO_RECORD, deal_batch, deal_plan
from pipeline.batches.plan import (
    BatchOptions,
    choose_boundaries,
    plan_epoch,
    plan_lengths,
    with_partners,
)
from pipeline.batches.plan_blocks import permutation_in_blocks
from tests.datasets import VALUE_SEQUENCE, toy_dataset
from tfrecords_schema import shared_arrays

RUN, RUNS = 3, 4
BLOCK = RUN * RUNS
very_many = st.lists(st.integers(1, 50), min_size=BLOCK + 1, max_size=150).map(np.array)
options_of_batches = st.one_of(
    st.builds(BatchOptions, st.integers(1, 9), num_buckets=st.integers(1, 4)),
    st.builds(BatchOptions, st.none(), st.integers(50, 300), num_buckets=st.integers(1, 4)),
    st.builds(BatchOptions, st.integers(1, 9), by_length=st.just(False)),
    st.builds(BatchOptions, st.none(), st.integers(50, 300), by_length=st.just(False)),
)


@pytest.fixture(autouse=True, scope="module")
def _low_limits():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.batches.plan.MOST_AT_ONCE", BLOCK)
        patch.setattr(plan_blocks, "MOST_AT_ONCE", BLOCK)
        patch.setattr(plan_blocks, "_RUN", RUN)
        patch.setattr(plan_blocks, "_RUNS", RUNS)
        patch.setattr(deal, "_RECORDS_AT_ONCE", 7)
        patch.setattr(shared_arrays, "_IN_MEMORY_BYTES", 200)
        yield


def _runs(plan, count):
    """The runs of each block of a plan; the block is whole, and batches lie within it."""
    bounds = plan.step_starts.tolist()
    last = -(-count // RUN) - 1
    begin, found = 0, []
    while begin < count:
        rows = plan.records[begin : begin + BLOCK]
        if last in rows // RUN:  # The last run may be shorter.
            rows = plan.records[begin : begin + BLOCK - (-count % RUN)]
        runs = {*(rows // RUN).tolist()}
        assert sorted(rows) == [row for run in sorted(runs) for row in _of_run(run, count)]
        begin += len(rows)
        assert begin in bounds
        found.append(runs)
    return found


def _of_run(run, count):
    return range(run * RUN, min((run + 1) * RUN, count))


@given(very_many, options_of_batches, st.integers(0, 9), st.booleans())
def test_property_06_every_record_is_planned_once_within_its_block(steps, options, seed, shuffle):
    plan = plan_epoch(steps, options, seed=seed, epoch=3, shuffle=shuffle)
    assert sorted(plan.records) == [*range(len(steps))]
    assert (plan.step_starts[0], plan.step_starts[-1]) == (0, len(steps))
    assert plan.valid_steps == steps.sum()
    assert {array.dtype for array in (plan.records, plan.step_starts, plan.padded_steps)} == {
        np.dtype(np.int32)
    }
    runs = _runs(plan, len(steps))
    assert sorted(run for block in runs for run in block) == [*range(-(-len(steps) // RUN))]
    for step in range(plan.num_steps):
        rows, padded = plan.rows(step), plan.padded_steps[step]
        assert padded >= steps[rows].max()
        assert len(rows) * (padded if options.batch_steps else 1) <= (
            options.batch_steps or options.batch_size
        )


@given(very_many, options_of_batches)
def test_a_block_that_is_not_shuffled_is_planned_as_its_records_alone(steps, options):
    found = plan_epoch(steps, options, seed=0, epoch=0, shuffle=False)
    boundaries = tuple(choose_boundaries(steps, options).tolist())
    alone = BatchOptions(options.batch_size, options.batch_steps, boundaries=boundaries)
    at = 0
    for begin in range(0, len(steps), BLOCK):
        part = plan_epoch(steps[begin : begin + BLOCK], alone, seed=0, epoch=0, shuffle=False)
        for step in range(part.num_steps):
            assert found.rows(at).tolist() == (part.rows(step) + begin).tolist()
            assert found.padded_steps[at] == part.padded_steps[step]
            at += 1
    assert at == found.num_steps


@pytest.mark.parametrize("by_length", [True, False])
def test_every_epoch_and_seed_has_other_blocks_in_another_order(by_length):
    steps = np.random.default_rng(0).integers(1, 50, 200)
    options = BatchOptions(4, by_length=by_length)
    plans = [
        plan_epoch(steps, options, seed=seed, epoch=epoch)
        for seed, epoch in [(0, 0), (0, 1), (1, 0)]
    ]
    blocks = {frozenset(runs) for plan in plans for runs in _runs(plan, 200)}
    assert len(blocks) == 3 * -(-200 // BLOCK)
    again = plan_epoch(steps, options, seed=0, epoch=1)
    np.testing.assert_array_equal(plans[1].records, again.records)
    within = [[np.flatnonzero(plan.records == row)[0] for row in range(RUN)] for plan in plans]
    assert len({tuple(np.argsort(places)) for places in within}) > 1


@given(st.integers(0, 150), st.integers(0, 3))
def test_a_long_order_is_one_of_each_block(count, epoch):
    order = permutation_in_blocks(count, 1, epoch)
    assert order.dtype == np.int32
    blocks = [range(begin, min(begin + BLOCK, count)) for begin in range(0, count, BLOCK)]
    for block in blocks:
        assert sorted(order[block.start : block.stop]) == [*block]
    if count > 2 * BLOCK:
        first, second = (order[block.start : block.stop] - block.start for block in blocks[:2])
        assert first.tolist() != second.tolist()


@given(very_many, st.sampled_from([1, 2, 3, 4]), st.integers(0, 100))
def test_property_07_every_replica_gets_what_each_batch_alone_would_give(steps, replicas, share):
    plan = with_partners(plan_epoch(steps, BatchOptions(5), seed=1, epoch=2), seed=1, epoch=2)
    assert sorted(plan.partners) == [*range(len(steps))]
    start = plan.num_steps * share // 100
    dealt = deal_plan(plan, steps, replicas, start_step=start)
    batches = iter(range(len(dealt.padded_steps)))
    for step in range(start, plan.num_steps):
        rows, partners = plan.rows(step), plan.rows_read(step)[len(plan.rows(step)) :]
        for places in deal_batch(steps[rows], replicas):
            batch = next(batches)
            of_batch = slice(dealt.starts[batch], dealt.starts[batch + 1])
            assert dealt.records[of_batch].tolist() == (rows[places].tolist() or [NO_RECORD])
            assert dealt.partners[of_batch].tolist() == (partners[places].tolist() or [NO_RECORD])
            assert dealt.padded_steps[batch] == plan.padded_steps[step]
    assert next(batches, None) is None


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """The plan of a dataset with labels per sequence, and readers for so many replicas."""
    dataset, _ = toy_dataset(tmp_path_factory.mktemp("toy"), label=VALUE_SEQUENCE)
    index = dataset.split("train")
    plan = plan_epoch(plan_lengths(index, dataset.schema.label), BatchOptions(3), seed=5, epoch=1)
    assert len(index) > BLOCK
    make = functools.partial(BatchReader, dataset, "train", index=index)
    return plan, {replicas: make(num_replicas=replicas) for replicas in (1, 2, 4)}


def test_property_10_any_step_is_gone_on_from_on_any_number_of_replicas(toy):
    plan, readers = toy
    for (replicas, reader), start in zip(readers.items(), (0, 1, plan.num_steps - 2), strict=True):
        batches = [batch["record"] for batch in reader.epoch(plan, start_step=start)]
        assert len(batches) == replicas * (plan.num_steps - start)
        for step in range(start, plan.num_steps):
            records = np.concatenate(batches[replicas * (step - start) :][:replicas])
            assert sorted(records[records >= 0]) == sorted(plan.rows(step))

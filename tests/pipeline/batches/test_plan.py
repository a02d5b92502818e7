import dataclasses
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.batches.boundaries import optimal_boundaries
from pipeline.batches.plan import (
    BatchOptions,
    choose_boundaries,
    plan_epoch,
    with_partners,
)
from pipeline.batches.random_order import permutation, splitmix64

PERMUTATION_OF_10 = [1, 7, 6, 0, 4, 2, 8, 9, 3, 5]

some_lengths = st.lists(st.integers(1, 50), min_size=1, max_size=120).map(np.array)


@st.composite
def some_options(draw):
    """Options that suit lengths up to 50 steps."""
    sizes = draw(
        st.one_of(
            st.builds(dict, batch_size=st.integers(1, 17)),
            st.builds(dict, batch_size=st.none(), batch_steps=st.integers(56, 400)),
        )
    )
    buckets = draw(
        st.one_of(
            st.builds(dict, num_buckets=st.integers(1, 6), align=st.sampled_from([1, 8])),
            st.just({"boundaries": (7, 20, 52)}),
        )
    )
    return BatchOptions(**sizes, **buckets)


def nbytes(plan):
    return plan.records.nbytes + plan.step_starts.nbytes + plan.padded_steps.nbytes


@given(some_lengths, some_options(), st.integers(0, 9), st.integers(0, 3), st.booleans())
def test_property_06_every_record_is_planned_once(steps, options, seed, epoch, shuffle):
    plan = plan_epoch(steps, options, seed=seed, epoch=epoch, shuffle=shuffle)
    batches = [plan.rows(step) for step in range(plan.num_steps)]
    assert all(len(rows) for rows in batches)
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(len(steps)))


@given(some_lengths, some_options(), st.integers(0, 9))
def test_batches_keep_their_limits(steps, options, seed):
    plan = plan_epoch(steps, options, seed=seed, epoch=0)
    boundaries = choose_boundaries(steps, options)
    for step in range(plan.num_steps):
        rows, padded_steps = plan.rows(step), plan.padded_steps[step]
        # Padded to the least boundary that holds the longest record of the batch.
        assert padded_steps == boundaries[boundaries >= steps[rows].max()].min()
        if options.batch_steps is None:
            assert len(rows) <= options.batch_size
        else:
            assert len(rows) * padded_steps <= options.batch_steps


@given(some_lengths, some_options(), st.integers(0, 9))
def test_property_11_at_most_one_shape_per_bucket_and_16_bytes_a_record(steps, options, seed):
    plan = plan_epoch(steps, options, seed=seed, epoch=0)
    assert nbytes(plan) <= 16 * len(steps)
    assert len(set(plan.padded_steps.tolist())) <= len(choose_boundaries(steps, options))


@given(some_lengths, some_options(), st.integers(0, 9))
def test_padding_share_counts_the_padded_batches(steps, options, seed):
    plan = plan_epoch(steps, options, seed=seed, epoch=0)
    padded = sum(len(plan.rows(i)) * int(plan.padded_steps[i]) for i in range(plan.num_steps))
    assert plan.padding_share == pytest.approx(1 - steps.sum() / padded, abs=1e-12)


@given(some_lengths, some_options(), st.integers(0, 9), st.integers(1, 3))
def test_every_epoch_has_the_same_number_of_batches_of_each_shape(steps, options, seed, epoch):
    plans = [plan_epoch(steps, options, seed=seed, epoch=number) for number in (0, epoch)]
    first, other = (
        sorted(zip(np.diff(plan.step_starts), plan.padded_steps, strict=True)) for plan in plans
    )
    assert first == other


@given(some_lengths, st.integers(2, 17))
def test_leftovers_are_not_cut_into_a_tiny_last_batch(steps, batch_size):
    plan = plan_epoch(steps, BatchOptions(batch_size, num_buckets=4), seed=0, epoch=0)
    short = [size for size in np.diff(plan.step_starts) if size < batch_size]
    # Leftovers alone make batches below the full size, of sizes that differ by one at most.
    assert not short or max(short) - min(short) <= 1


def test_leftovers_under_a_budget_share_it_evenly():
    steps = np.array([10] * 7)
    options = BatchOptions(batch_size=None, batch_steps=50, boundaries=(10, 50))
    plan = plan_epoch(np.append(steps, [50]), options, seed=0, epoch=0, shuffle=False)
    np.testing.assert_array_equal(np.diff(plan.step_starts), [5, 2, 1])


def test_leftovers_of_several_buckets_balance_their_padded_steps():
    # Buckets of 20 to 24 steps hold 4 records a batch at most, so all ten are left over.
    steps = np.repeat([20, 21, 22, 23, 24], 2)
    options = BatchOptions(batch_size=None, batch_steps=100, num_buckets=5)
    plan = plan_epoch(steps, options, seed=0, epoch=0, shuffle=False)
    # Filled from the longest down it would be 2, 4, 4 records: 42, 92 and 96 padded steps.
    np.testing.assert_array_equal(np.diff(plan.step_starts), [4, 3, 3])


@given(some_lengths, some_options())
def test_same_arguments_give_the_same_plan(steps, options):
    first, again = (plan_epoch(steps, options, seed=3, epoch=2) for _ in range(2))
    for name in ("records", "step_starts", "padded_steps"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))


@given(some_lengths, some_options(), some_options())
def test_property_07_a_partner_depends_on_seed_epoch_and_record_alone(steps, options, other):
    def partners(options, seed, epoch):
        plan = with_partners(
            plan_epoch(steps, options, seed=seed, epoch=epoch), seed=seed, epoch=epoch
        )
        for step in range(plan.num_steps):
            assert plan.rows_read(step).tolist()[: len(plan.rows(step))] == plan.rows(step).tolist()
        read = np.concatenate([plan.rows_read(step) for step in range(plan.num_steps)])
        assert np.bincount(read).tolist() == [2] * len(steps)
        return dict(zip(plan.records.tolist(), plan.partners.tolist(), strict=True))

    found = partners(options, 3, 1)
    assert found == partners(other, 3, 1)
    if len(steps) > 20:
        assert found not in (partners(options, 3, 2), partners(options, 4, 1))


@pytest.mark.parametrize("other", [{"seed": 3, "epoch": 1}, {"seed": 4, "epoch": 0}])
def test_another_epoch_or_seed_puts_other_records_together(other):
    steps = np.random.default_rng(0).integers(1, 50, 200)
    options = BatchOptions(batch_size=8, num_buckets=2)
    plans = [plan_epoch(steps, options, **key) for key in ({"seed": 3, "epoch": 0}, other)]
    first, second = (
        {frozenset(plan.rows(step).tolist()) for step in range(plan.num_steps)} for plan in plans
    )
    assert not first & second
    assert plans[0].padded_steps.tolist() != plans[1].padded_steps.tolist()


def test_the_order_is_the_one_of_every_machine_and_version():
    np.testing.assert_array_equal(permutation(10, 7, 0, 0), PERMUTATION_OF_10)


# The first outputs of the reference implementation for the state 1234567.
def test_splitmix64_is_the_published_one():
    gamma, state, outputs = 0x9E3779B97F4A7C15, 1234567, []
    for _ in range(3):
        outputs.append(int(splitmix64(np.array([state], np.uint64))[0]))
        state = (state + gamma) % 2**64
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_any_integer_seeds_and_seeds_differ():
    orders = {tuple(permutation(50, seed, 0).tolist()) for seed in (-1, 0, 1, 2**70 + 5)}
    assert len(orders) == 4


def test_shuffled_orders_are_uniform():
    firsts = [permutation(5, seed, 0)[0] for seed in range(5_000)]
    assert np.bincount(firsts, minlength=5) == pytest.approx(np.full(5, 1_000), abs=120)


def test_without_shuffling_records_and_batches_are_in_order_of_length():
    steps = np.random.default_rng(0).integers(1, 50, 200)
    options = BatchOptions(batch_size=8, num_buckets=4)
    plan = plan_epoch(steps, options, seed=0, epoch=0, shuffle=False)
    assert np.all(np.diff(plan.padded_steps) >= 0)
    for step in range(plan.num_steps):
        assert np.all(np.diff(steps[plan.rows(step)]) >= 0)
    other = plan_epoch(steps, options, seed=9, epoch=5, shuffle=False)
    np.testing.assert_array_equal(plan.records, other.records)


def test_optimal_boundaries_are_the_default():
    steps = np.random.default_rng(0).integers(1, 1_000, 500)
    found = choose_boundaries(steps, BatchOptions(num_buckets=5, align=8))
    np.testing.assert_array_equal(found, optimal_boundaries(steps, 5, align=8))


def test_property_11_a_million_records_in_two_seconds():
    steps = np.random.default_rng(0).lognormal(8, 1, 1_000_000).astype(np.int32) + 1
    started = time.process_time()
    plan = plan_epoch(steps, BatchOptions(), seed=0, epoch=0)
    assert time.process_time() - started < 2
    assert nbytes(plan) <= 16 * len(steps)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0; it must be at least 1"),
        ({"batch_steps": -5}, "batch_steps is -5; it must be at least 1"),
        ({"batch_size": None}, "batch_size and batch_steps are both None"),
        ({"num_buckets": 0}, "num_buckets is 0"),
        ({"boundaries": (5, 5)}, r"boundaries are \(5, 5\); they must be positive and ascending"),
        ({"boundaries": ()}, r"boundaries are \(\)"),
        ({"batch_size": 10**20}, "batch_size is 1.*0; it must be at most 2147483647"),
        ({"align": 2**31}, "align is 2147483648; it must be at most 2147483647"),
        ({"boundaries": (9, 2**31)}, "they must be at most 2147483647"),
    ],
)
def test_options_check_themselves(options, message):
    with pytest.raises(ValueError, match=message):
        BatchOptions(**options)


@pytest.mark.parametrize(
    ("steps", "options", "message"),
    [
        ([], {}, "The split has no records"),
        ([3, 0], {}, "every record needs at least 1"),
        ([3, 0], {"boundaries": (4,)}, "Record 1 has 0 steps; every record needs at least 1"),
        ([3, 12], {"boundaries": (4, 8)}, "12 steps and the last boundary is 8: .*at least 12"),
        ([3, 12], {"batch_steps": 11}, "longest record has 12 steps, .*batch_steps to at least 12"),
        ([3, 12], {"batch_steps": 15, "align": 8}, "padded to 16: set batch_steps to at least 16"),
    ],
)
def test_errors_say_what_to_set(steps, options, message):
    with pytest.raises(ValueError, match=message):
        plan_epoch(np.array(steps, np.int32), BatchOptions(**options), seed=0, epoch=0)


@given(some_lengths, some_options(), st.integers(0, 9), st.integers(0, 3))
def test_random_batches_hold_every_record_once_and_are_padded_to_their_longest(
    steps, options, seed, epoch
):
    options = dataclasses.replace(options, by_length=False)
    plan = plan_epoch(steps, options, seed=seed, epoch=epoch)
    batches = [plan.rows(step) for step in range(plan.num_steps)]
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(len(steps)))
    for rows, padded_steps in zip(batches, plan.padded_steps, strict=True):
        assert padded_steps == steps[rows].max()
        if options.batch_steps is None:
            assert len(rows) <= options.batch_size
        else:
            assert len(rows) * padded_steps <= options.batch_steps


def test_random_batches_are_of_near_equal_size_and_mix_lengths():
    steps = np.repeat([1, 100], 50)
    plan = plan_epoch(steps, BatchOptions(batch_size=16, by_length=False), seed=3, epoch=0)
    sizes = np.diff(plan.step_starts)
    assert set(sizes) == {14, 15}
    assert all(set(steps[plan.rows(step)]) == {1, 100} for step in range(plan.num_steps))
    in_order, by_length = (
        plan_epoch(
            steps, BatchOptions(batch_size=16, by_length=way), seed=3, epoch=0, shuffle=False
        )
        for way in (False, True)
    )
    np.testing.assert_array_equal(in_order.records, by_length.records)  # As evaluation reads.

"""The cost of batches by their shape, against plain loops and functions that are known."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from pipeline.batches.plan import BatchOptions, plan_epoch
from trainer.training.batch_cost import Shapes, choose, fit, sizes

_LENGTHS = np.clip(np.random.default_rng(0).lognormal(3, 0.7, 300).astype(int), 2, 120)
_KNOWN = {
    "calls": (3e-2, 0, 0, 2e-4, 0, 0, 0),
    "a recurrence": (5e-3, 0, 4e-4, 1e-4, 0, 0, 0),
    "padding": (1e-3, 1e-4, 0, 0, 5e-5, 0, 0),
    "attention": (1e-3, 0, 0, 1e-5, 0, 1e-6, 0),
    "each record": (0, 2e-3, 0, 3e-5, 0, 0, 0),
    "slow kernels": (1e-2, 0, 0, 1e-4, 0, 0, 1e-5),
}


def _shapes(count=24, seed=0):
    rng = np.random.default_rng(seed)
    records = np.exp(rng.uniform(0, 4, count)).round()
    padded = np.exp(rng.uniform(1, 6, count)).round()
    return Shapes(records, padded, (records * padded * rng.uniform(0.3, 1, count)).round())


def _by_hand(factors, records, padded, valid):
    one, each, longest, of_valid, of_padded, long, many = factors
    return (
        one + each * records + longest * padded + of_valid * valid
        + of_padded * records * padded + long * records * padded**2 + many * records**2 * padded
    )  # fmt: skip


@pytest.mark.parametrize("name", _KNOWN)
def test_known_factors_are_found(name):
    shapes, factors = _shapes(), np.array(_KNOWN[name])
    cost = fit(shapes, _by_hand(factors, *shapes))
    np.testing.assert_allclose(cost.factors, factors, rtol=1e-6, atol=1e-12)
    assert cost.excess == pytest.approx(1)


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_noise_gives_what_scipy_gives(seed):
    shapes, rng = _shapes(seed=seed), np.random.default_rng(seed)
    measured = np.exp(rng.normal(0, 0.5, 24)) * _by_hand(_KNOWN["padding"], *shapes)
    cost = fit(shapes, measured)
    scale = shapes.terms().max(0)
    expected, _ = nnls(shapes.terms() / scale / measured[:, None], np.ones(24))
    np.testing.assert_allclose(cost.factors * scale, expected, rtol=1e-6, atol=1e-9)
    assert cost.factors.min() >= 0
    assert np.all(measured <= cost.excess * cost.of(shapes) * (1 + 1e-9))


def _batches(lengths, options, batch_steps):
    """Records, padded steps and valid steps of every batch of an epoch."""
    sized = dataclasses.replace(options, batch_size=None, batch_steps=batch_steps)
    plan = plan_epoch(lengths, sized, seed=0, epoch=0)
    rows = [plan.rows(step) for step in range(plan.num_steps)]
    assert sorted(np.concatenate(rows).tolist()) == [*range(len(lengths))]  # Exactly once.
    shapes = zip(rows, plan.padded_steps.tolist(), strict=True)
    return [(len(own), padded, int(lengths[own].sum())) for own, padded in shapes]


@pytest.mark.parametrize("by_length", [True, False])
@pytest.mark.parametrize("name", _KNOWN)
def test_the_choice_is_that_of_trying_all(name, by_length):
    options = BatchOptions(num_buckets=4, by_length=by_length)
    longest = int(_LENGTHS.max())
    found = sizes(
        _LENGTHS, options, longest, lambda s: _by_hand(_KNOWN[name], *s), lambda s: s.valid
    )
    assert found[0].batch_steps == longest
    assert min(size.batches for size in found) >= 10
    secs = []
    for size in found:
        batches = _batches(_LENGTHS, options, size.batch_steps)
        secs.append(sum(_by_hand(_KNOWN[name], *batch) for batch in batches) / _LENGTHS.sum())
        assert size.batches == len(batches)
        assert size.secs == pytest.approx(secs[-1])
        assert size.peak_bytes == max(records * padded for records, padded, _ in batches)
        assert size.largest == max(records * padded for records, padded, _ in batches)
    chosen = choose(found, np.inf, np.inf)
    expected = next(size for size, own in zip(found, secs, strict=True) if own <= 1.04 * min(secs))
    assert chosen == expected


def test_a_cost_of_each_step_asks_for_larger_batches_than_one_of_padding():
    def chosen(name):
        found = sizes(
            _LENGTHS, BatchOptions(), int(_LENGTHS.max()),
            lambda s: _by_hand(_KNOWN[name], *s), lambda s: s.valid,
        )  # fmt: skip
        return choose(found, np.inf, np.inf).batch_steps

    assert chosen("calls") > 3 * chosen("attention")


@given(
    st.lists(st.integers(1, 200), min_size=12, max_size=150).map(np.array),
    st.floats(1, 4000),
    st.booleans(),
    st.integers(1, 4),
)
@settings(max_examples=40, deadline=None)
def test_no_batch_of_the_choice_takes_more_than_there_is(lengths, limit, by_length, replicas):
    def peak(shapes):
        return 10 + shapes.valid

    options = BatchOptions(num_buckets=3, by_length=by_length)
    longest = int(lengths.max())
    found = sizes(lengths, options, longest, lambda s: 50 + s.valid, peak, replicas)
    chosen = choose(found, limit, np.inf)
    if chosen is None:  # The longest record alone, or what shares its batch, is too large.
        assert found[0].peak_bytes > limit
        return
    worst = max(10 + n * padded for n, padded, _ in _batches(lengths, options, chosen.batch_steps))
    assert worst <= limit
    assert chosen.batch_steps >= longest


def test_sizes_far_from_what_was_measured_are_not_taken():
    longest = int(_LENGTHS.max())
    found = sizes(
        _LENGTHS, BatchOptions(), longest, lambda s: 1 + 1e-9 * s.valid, lambda s: s.valid
    )
    assert choose(found, np.inf, np.inf) == found[-1]
    assert choose(found, np.inf, 300).largest <= 300
    assert choose(found, np.inf, 1) == found[0]


def test_replicas_share_a_batch():
    shapes = Shapes(np.array([5.0, 1.0]), np.array([10.0, 8.0]), np.array([40.0, 8.0]))
    own = shapes.shared(4)
    assert [each.tolist() for each in own] == [[2, 1], [10, 8], [16, 8]]

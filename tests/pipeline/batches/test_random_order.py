"""Orders that are made block after block are those of one sort over everything."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.batches import random_order
from pipeline.batches.plan import BatchOptions, plan_epoch
from pipeline.batches.random_order import permutation, splitmix64


def _sorted_at_once(count, key, groups):
    state = np.uint64(0)
    for part in key:
        state = splitmix64(np.array([state ^ np.uint64(part)]))[0]
    hashes = [
        int(splitmix64(np.array([np.uint64((n + int(state)) % 2**64)]))[0]) for n in range(count)
    ]
    return sorted(range(count), key=lambda number: (groups[number], hashes[number]))


@pytest.fixture(params=[1, 7, 1 << 20])
def _block(request, monkeypatch):
    monkeypatch.setattr(random_order, "_BLOCK", request.param)


@pytest.mark.usefixtures("_block")
@pytest.mark.parametrize("most", [0, 8, 65535])
@pytest.mark.parametrize("count", [0, 1, 50, 257])
def test_a_permutation_is_one_sort_by_group_and_hash(count, most):
    groups = np.random.default_rng(0).integers(0, most + 1, count).astype(np.uint16)
    found = permutation(count, 3, 2, 1, groups=groups)
    assert found.dtype == np.int32
    assert found.tolist() == _sorted_at_once(count, (3, 2, 1), groups.tolist())


@given(st.lists(st.integers(1, 90), min_size=1, max_size=200), st.booleans(), st.booleans())
def test_a_plan_does_not_depend_on_the_size_of_a_block(steps, by_length, by_steps):
    sizes = {"batch_size": None, "batch_steps": 200} if by_steps else {"batch_size": 7}
    options = BatchOptions(**sizes, num_buckets=3, by_length=by_length)
    plans = []
    for block in (5, 1 << 20):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(random_order, "_BLOCK", block)
            plans.append(plan_epoch(np.array(steps, np.int32), options, seed=1, epoch=2))
    for name in ("records", "step_starts", "padded_steps"):
        assert getattr(plans[0], name).tolist() == getattr(plans[1], name).tolist()
    assert plans[0].valid_steps == sum(steps)

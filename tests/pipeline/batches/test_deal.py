import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.batches.deal import deal_batch, deal_batches

some_lengths = st.lists(st.integers(1, 100), max_size=60).map(np.array)


@given(some_lengths, st.integers(1, 9))
def test_property_06_every_row_is_dealt_once(lengths, num_replicas):
    dealt = deal_batch(lengths, num_replicas)
    assert len(dealt) == num_replicas
    np.testing.assert_array_equal(np.sort(np.concatenate(dealt)), np.arange(len(lengths)))
    for positions in dealt:
        assert np.all(np.diff(positions) > 0)


@given(some_lengths, st.integers(1, 9))
def test_replicas_differ_by_one_row_and_one_record_of_steps_at_most(lengths, num_replicas):
    dealt = deal_batch(lengths, num_replicas)
    rows = [len(positions) for positions in dealt]
    steps = [lengths[positions].sum() for positions in dealt]
    assert max(rows) - min(rows) <= 1
    assert max(steps) - min(steps) <= max(lengths, default=0)
    if len(lengths) >= num_replicas:
        assert min(rows) >= 1


@given(st.lists(some_lengths, min_size=1, max_size=8), st.integers(1, 9))
def test_many_batches_are_dealt_as_each_alone(batches, num_replicas):
    starts = np.cumsum([0] + [len(lengths) for lengths in batches])
    replica = deal_batches(np.concatenate(batches), starts, num_replicas)
    for i, lengths in enumerate(batches):
        alone = deal_batch(lengths, num_replicas)
        for number, positions in enumerate(alone):
            found = np.flatnonzero(replica[starts[i] : starts[i + 1]] == number)
            np.testing.assert_array_equal(found, positions)


def test_the_replica_with_fewer_steps_gets_the_longer_row():
    first, second = deal_batch(np.array([5, 80, 10, 90]), 2)
    np.testing.assert_array_equal(first, [0, 3])
    np.testing.assert_array_equal(second, [1, 2])


def test_no_replicas_is_an_error():
    with pytest.raises(ValueError, match="num_replicas is 0; it must be at least 1"):
        deal_batch(np.array([1]), 0)

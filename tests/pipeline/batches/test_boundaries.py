import itertools
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.batches import boundaries as boundaries_lib
from pipeline.batches.boundaries import optimal_boundaries, padding_share

some_lengths = st.lists(st.integers(1, 40), min_size=1, max_size=30)


def padded_total(lengths, boundaries):
    """Written apart from the code under test: the first boundary that holds each record."""
    return sum(min(int(b) for b in boundaries if b >= length) for length in lengths)


def brute_force(lengths, num_buckets, align):
    candidates = sorted({-(-length // align) * align for length in lengths})
    size = min(num_buckets, len(candidates))
    choices = itertools.combinations(candidates[:-1], size - 1)
    return min(padded_total(lengths, (*choice, candidates[-1])) for choice in choices)


@given(some_lengths, st.integers(1, 5), st.sampled_from([1, 4, 7]))
def test_least_padding_of_all_choices(lengths, num_buckets, align):
    found = optimal_boundaries(np.array(lengths), num_buckets, align=align)
    assert len(found) <= num_buckets
    assert padded_total(lengths, found) == brute_force(lengths, num_buckets, align)


@given(some_lengths, st.integers(1, 40), st.sampled_from([1, 8]))
def test_boundaries_are_ascending_aligned_and_hold_all(lengths, num_buckets, align):
    found = optimal_boundaries(np.array(lengths), num_buckets, align=align)
    assert found.dtype == np.int32
    assert 1 <= len(found) <= num_buckets
    assert np.all(np.diff(found) > 0)
    assert np.all(found % align == 0)
    assert found[-1] == -(-max(lengths) // align) * align


@given(st.integers(0, 2**32), st.integers(1, 12), st.sampled_from([1, 16]))
def test_never_more_padding_than_the_usual_choices(seed, num_buckets, align):
    lengths = np.random.default_rng(seed).lognormal(4, 1, 300).astype(int) + 1
    best = padding_share(lengths, optimal_boundaries(lengths, num_buckets, align=align))
    parts = np.linspace(0, 1, num_buckets + 1)[1:]
    for usual in (parts * lengths.max(), np.quantile(lengths, parts)):
        other = padding_share(lengths, np.unique(np.ceil(usual / align) * align))
        assert best <= other + 1e-12


@given(some_lengths, st.integers(1, 5))
def test_a_histogram_gives_what_its_lengths_give(lengths, num_buckets):
    histogram = {length: lengths.count(length) for length in lengths}
    expected = optimal_boundaries(np.array(lengths), num_buckets)
    np.testing.assert_array_equal(optimal_boundaries(histogram, num_buckets), expected)


@given(some_lengths, st.integers(1, 5))
def test_padding_share_is_that_of_the_padded_records(lengths, num_buckets):
    found = optimal_boundaries(np.array(lengths), num_buckets)
    expected = 1 - sum(lengths) / padded_total(lengths, found)
    assert padding_share(np.array(lengths), found) == pytest.approx(expected, abs=1e-12)


def test_as_many_buckets_as_lengths_pad_nothing():
    lengths = np.array([3, 3, 9, 20])
    np.testing.assert_array_equal(optimal_boundaries(lengths, 8), [3, 9, 20])
    assert padding_share(lengths, optimal_boundaries(lengths, 8)) == 0


def test_grouped_candidates_lose_almost_nothing(monkeypatch):
    lengths = np.random.default_rng(0).lognormal(8, 1, 30_000).astype(int) + 1
    exact = padding_share(lengths, optimal_boundaries(lengths, 8))
    monkeypatch.setattr(boundaries_lib, "MAX_CANDIDATES", 2_000)
    grouped = optimal_boundaries(lengths, 8)
    assert grouped[-1] == lengths.max()
    assert exact <= padding_share(lengths, grouped) < exact + 1e-3


def test_a_million_lengths_in_a_second():
    lengths = np.random.default_rng(0).lognormal(8, 1, 1_000_000).astype(int) + 1
    started = time.process_time()
    optimal_boundaries(lengths, 8)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("lengths", "num_buckets", "align", "message"),
    [
        ([], 2, 1, "no records"),
        ([3, 0], 2, 1, "has 0 steps; every record needs at least 1"),
        ([3], 0, 1, "num_buckets is 0; it must be at least 1"),
        ([3], 2, -1, "align is -1; it must be at least 1"),
    ],
)
def test_errors_say_what_is_wrong(lengths, num_buckets, align, message):
    with pytest.raises(ValueError, match=message):
        optimal_boundaries(np.array(lengths), num_buckets, align=align)


def test_a_record_above_the_last_boundary_is_an_error():
    with pytest.raises(ValueError, match=r"12 steps and the last boundary is 8: .*at least 12"):
        padding_share(np.array([4, 12]), np.array([4, 8]))

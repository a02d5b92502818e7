"""Parts of unequal sizes, some of them with something in them: whole groups, like shares."""

import itertools
from fractions import Fraction

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.sources.division.even_division import divide

_SIZES = (
    (Fraction(8, 10), Fraction(1, 10), Fraction(1, 10)),
    (Fraction(1, 2), Fraction(1, 2)),
    (Fraction("0.123"), Fraction("0.877")),
    (Fraction(7, 10), Fraction(3, 20), Fraction(3, 20)),
    (Fraction(1),),
)


@st.composite
def _sets(draw, most_groups):
    """Records and labels of each group, sizes of parts, and what is in those."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = draw(st.sampled_from(_SIZES))
    classes, groups = draw(st.integers(1, 4)), draw(st.integers(1, most_groups))
    purity = draw(st.sampled_from([0.1, 1.0, 100.0]))
    records = rng.integers(1, draw(st.sampled_from([2, 5, 40])) + 1, groups)
    labels = [rng.multinomial(n, rng.dirichlet([purity] * classes)) for n in records]
    counts = np.column_stack([records, labels])
    of_held = rng.integers(0, 5, (len(sizes), classes)) * draw(st.booleans())
    return counts, sizes, np.column_stack([of_held.sum(1), of_held])


def _costs(counts, sizes, held, parts):
    """Squared shares over sizes of each division `[divisions, groups]`; 1 a column at the least."""
    totals = counts.sum(0) + held.sum(0)
    is_in = parts[:, None, :] == np.arange(len(sizes))[None, :, None]
    shares = (is_in @ counts + held)[:, :, totals > 0] / totals[totals > 0]
    return (shares**2 / np.array(sizes, float)[:, None]).sum((1, 2)) - (totals > 0).sum()


@settings(max_examples=300, deadline=None, derandomize=True)
@given(_sets(most_groups=14), st.integers(0, 3))
def test_every_group_has_a_part_and_no_part_is_empty(found, key):
    counts, sizes, held = found
    part = divide(counts, sizes, key, held=held)
    assert part.shape == (len(counts),)
    assert {*part.tolist()} <= {*range(len(sizes))}
    empty = {*range(len(sizes))} - {*part.tolist(), *np.flatnonzero(held[:, 0]).tolist()}
    without = int((held[:, 0] == 0).sum())
    assert len(empty) == max(0, without - len(counts))


def _nones(counts, sizes, held, parts):
    """How many classes parts have nothing of, over all parts, of each division."""
    totals = counts.sum(0) + held.sum(0)
    is_in = parts[:, None, :] == np.arange(len(sizes))[None, :, None]
    return ((is_in @ counts + held)[:, :, totals > 0] == 0).sum((1, 2))


@settings(max_examples=120, deadline=None, derandomize=True)
@given(_sets(most_groups=6), st.booleans())
def test_few_groups_are_divided_about_as_evenly_as_any_division_does(found, fills):
    counts, sizes, held = found
    every = np.array([*itertools.product(range(len(sizes)), repeat=len(counts))], int)
    has_all = [
        len({*row.tolist(), *np.flatnonzero(held[:, 0]).tolist()}) == len(sizes) for row in every
    ]
    assume(any(has_all))
    ours = divide(counts, sizes, held=held, fills=fills)[None]
    best, (found,) = (
        _costs(counts, sizes, held, parts) + 4 * fills * _nones(counts, sizes, held, parts)
        for parts in (every[has_all], ours)
    )
    least_uneven = _costs(counts, sizes, held, every[has_all])[best.argmin()]
    assert found <= best.min() + 0.05 * least_uneven + 0.01


def test_many_groups_have_nearly_the_shares_that_were_asked_for():
    rng = np.random.default_rng(0)
    sizes = rng.integers(5, 15, 60)
    labels = np.array([rng.multinomial(n, rng.dirichlet([0.5] * 4)) for n in sizes])
    counts = np.column_stack([sizes, labels])
    part = divide(counts, _SIZES[0])
    shares = np.array([counts[part == one].sum(0) / counts.sum(0) for one in range(3)])
    assert np.abs(shares - np.array([[0.8], [0.1], [0.1]])).max() < 0.02


def test_three_groups_of_a_rare_class_go_to_three_splits_where_that_is_asked_for():
    counts = np.column_stack([np.full(30, 2), np.arange(30) >= 3, np.arange(30) < 3])
    assert {*divide(counts, _SIZES[0], fills=True)[:3].tolist()} == {0, 1, 2}
    assert {*divide(counts, _SIZES[0])[:3].tolist()} == {0}


def test_what_is_held_is_made_up_for():
    counts = np.ones((4, 1), int)
    part = divide(counts, _SIZES[1], held=np.array([[4], [0]]))
    assert part.tolist() == [1] * 4


def test_the_division_is_the_same_on_any_machine():
    counts = np.column_stack([np.ones(12, int), np.arange(12) % 2, np.arange(12) % 3])
    assert divide(counts, _SIZES[3], 5).tolist() == [0, 2, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0]


def test_no_groups_are_no_matter():
    assert divide(np.zeros((0, 3), int), _SIZES[0]).tolist() == []

"""Folds: whole groups, every record tested once, class shares as even as whole groups allow."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import model_selection as selection

from trainer.studies.fold_datasets import plan_folds
from trainer.studies.folds import divide, each_group
from trainer.studies.group_facts import GroupFacts
from trainer.studies.options import FoldOptions

_UNIT = 1 << 16


def _shares(counts, folds):
    totals = counts.sum(0)
    return counts[:, totals > 0] * (folds * _UNIT) // totals[totals > 0]


def _worst(counts, fold, folds):
    """The largest distance of any fold's share of any column from an even one."""
    sums = np.array([counts[fold == number].sum(0) for number in range(folds)], float)
    totals = sums.sum(0)
    return float(np.abs(sums[:, totals > 0] / totals[totals > 0] - 1 / folds).max())


def _squares(counts, fold, folds):
    shares = _shares(counts, folds)
    return sum(int((shares[fold == number].sum(0) ** 2).sum()) for number in range(folds))


def _assert_about_as_even_as_any(counts, found, folds):
    """What is lost against an even division is at most 5% more than the best one loses."""
    shares = _shares(counts, folds)
    every = np.array([*itertools.product(range(folds), repeat=len(counts))])
    sums = (every[:, None, :] == np.arange(folds)[None, :, None]) @ shares
    best = int((sums**2).sum((1, 2)).min())
    even = shares.shape[1] * folds * _UNIT**2
    assert _squares(counts, found, folds) - best <= 0.05 * (best - even) + 1e-3 * even


@st.composite
def _groups(draw, most_groups=24, most_classes=5):
    """Records of each group, and of each class among them."""
    groups = draw(st.integers(2, most_groups))
    classes = draw(st.integers(1, most_classes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = rng.integers(1, draw(st.sampled_from([2, 5, 40])) + 1, groups)
    purity = draw(st.sampled_from([0.1, 1.0, 100.0]))  # From one class a group to all alike.
    of_class = np.array([rng.multinomial(n, rng.dirichlet([purity] * classes)) for n in sizes])
    return np.column_stack([sizes, of_class])


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(_groups(most_groups=10), st.integers(2, 6), st.integers(0, 3), st.booleans())
def test_no_group_is_divided_and_every_record_is_tested_once(counts, folds, seed, validates):
    folds = max(min(folds, len(counts)), 2 + validates)
    if len(counts) < 2 + validates:
        return
    facts = {f"g{i}": GroupFacts(int(row[0]), row[1:], None) for i, row in enumerate(counts)}
    options = FoldOptions(
        folds=str(folds), fold_seed=seed, fold_validation="next" if validates else "none"
    )
    planned = plan_folds(facts, options)
    assert len(planned) == folds
    for fold in planned:
        assert fold.split_of.keys() == facts.keys()  # One split for each whole group.
        for split in ("train", "test", *(["validation"] if validates else [])):
            assert fold.groups(split)
    tested = [group for fold in planned for group in fold.groups("test")]
    assert sorted(tested) == sorted(facts)
    if len(counts) <= 6 and folds <= 3:
        fold = np.array([[*facts].index(group) for group in tested])
        part = np.repeat(np.arange(folds), [len(one.groups("test")) for one in planned])
        _assert_about_as_even_as_any(counts, part[np.argsort(fold)], folds)


def test_a_division_is_the_same_each_time():
    rng = np.random.default_rng(4)
    counts = np.column_stack([np.full(24, 9), rng.multinomial(9, [0.5, 0.3, 0.2], 24)])
    assert (divide(counts, 5, 1) == divide(counts, 5, 1)).all()


def test_many_groups_have_nearly_even_class_shares():
    rng = np.random.default_rng(0)
    sizes = rng.integers(5, 15, 60)
    of_class = np.array([rng.multinomial(n, rng.dirichlet([0.5] * 4)) for n in sizes])
    counts = np.column_stack([sizes, of_class])
    fold = divide(counts, 5)
    assert _worst(counts, fold, 5) < 0.02
    by_chance = _worst(counts, rng.integers(0, 5, 60), 5)
    assert by_chance > 0.04


def test_another_seed_divides_in_another_way_and_all_machines_alike():
    counts = np.ones((12, 1), np.int64)
    divisions = {tuple(divide(counts, 3, seed).tolist()) for seed in range(5)}
    assert len(divisions) == 5
    assert all(np.bincount(fold).tolist() == [4, 4, 4] for fold in map(np.array, divisions))
    assert divide(counts, 3, 0).tolist() == [2, 0, 1, 1, 0, 0, 2, 1, 1, 2, 2, 0]


def test_each_group_is_a_fold_in_order_of_the_names():
    assert each_group(["b", "a", "c"]).tolist() == [1, 0, 2]


@pytest.mark.parametrize("folds", [1, 4])
def test_fewer_groups_than_folds_are_refused(folds):
    with pytest.raises(ValueError, match=f"--folds={folds}: expected 2 to 3"):
        divide(np.ones((3, 1), np.int64), folds)


def test_class_shares_are_at_least_as_even_as_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    for _ in range(5):
        sizes = rng.integers(3, 12, 30)
        group = np.repeat(np.arange(30), sizes)
        label = np.concatenate([rng.choice(3, n, p=rng.dirichlet([0.7] * 3)) for n in sizes])
        counts = np.zeros((30, 3), np.int64)
        np.add.at(counts, (group, label), 1)
        counts = np.column_stack([sizes, counts])
        theirs = np.zeros(30, np.int64)
        folds = selection.StratifiedGroupKFold(5).split(label, label, group)
        for number, (_, test) in enumerate(folds):
            theirs[np.unique(group[test])] = number
        ours = divide(counts, 5)
        assert _squares(counts, ours, 5) <= _squares(counts, theirs, 5)

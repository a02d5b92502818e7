"""Thresholds against a search over all of them."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from trainer.evaluation.threshold import choose_threshold, figures_of
from trainer.metrics.ranking import Ranking
from trainer.step.reading import Reading


def _by_search(aim, is_class, probability):
    """The best threshold among all that occur, by plain counting."""
    name, _, least = aim.partition(":")
    best = None
    for threshold in sorted(set(probability.tolist()), reverse=True):
        stated = probability >= np.float32(threshold)
        sensitivity = stated[is_class].mean()
        specificity = 1 - stated[~is_class].mean()
        f1 = 2 * (stated & is_class).sum() / (stated.sum() + is_class.sum())
        fits, value = {
            "f1": (True, f1),
            "specificity": (specificity >= float(least or 0) - 1e-9, sensitivity),
            "sensitivity": (sensitivity >= float(least or 0) - 1e-9, specificity),
        }[name]
        if fits and (best is None or value > best[0] + 1e-12):
            best = (value, threshold)
    return best


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 999),
    st.sampled_from(["f1", "specificity:0.95", "specificity:0.5", "sensitivity:0.9"]),
    st.sampled_from([4, 1000]),
)
def test_no_other_threshold_is_better(seed, aim, levels):
    rng = np.random.default_rng(seed)
    is_class = rng.random(40) < 0.3
    is_class[:2] = True, False
    probability = np.float32(np.ceil((rng.random(40) + is_class) / 2 * levels) / levels)
    best = _by_search(aim, is_class, probability)
    ranking = Ranking.of(is_class, probability)
    if best is None or (aim[:4] == "spec" and best[0] == 0):
        with pytest.raises(ValueError, match="no threshold finds any of the class"):
            choose_threshold(aim, ranking)
        return
    threshold, figures = choose_threshold(aim, ranking)
    name = {"f1": "f1", "spec": "sensitivity", "sens": "specificity"}[aim[:4]]
    assert figures[name] == pytest.approx(best[0], abs=1e-12)
    stated = probability >= np.float32(threshold)
    assert figures == pytest.approx(figures_of(is_class.astype(int), stated.astype(int), 1))
    assert figures["f1"] == pytest.approx(reference.f1_score(is_class, stated))
    assert figures["precision"] == pytest.approx(reference.precision_score(is_class, stated))


def test_a_class_that_is_missing_or_alone_has_no_threshold():
    for is_class in (np.zeros(5, bool), np.ones(5, bool)):
        with pytest.raises(ValueError, match="no label of the class, or no other"):
            choose_threshold("f1", Ranking.of(is_class, np.arange(5) / 5))


def test_the_class_is_stated_from_its_threshold_on_and_else_the_likeliest_of_the_others():
    reading = Reading(positive=1, threshold=0.25)
    table = np.float32([[0.7, 0.25, 0.05], [0.7, 0.2, 0.1], [0.1, 0.24, 0.66], [0, 1, 0]])
    assert reading.answer(tf.constant(table)).numpy().tolist() == [1, 0, 2, 1]
    assert Reading().answer(tf.constant(table)).numpy().tolist() == [0, 0, 2, 1]
    late = Reading(positive=0, threshold=0.8)
    assert late.answer(tf.constant(table)).numpy().tolist() == [1, 1, 2, 1]

"""The temperature against scipy's minimum, and what it may not change."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special

from trainer.evaluation import temperature as module
from trainer.evaluation.temperature import fit_temperature, without_temperature
from trainer.layers.merging import MemberMean
from trainer.step.reading import Reading


def _drawn(seed, labels=200, classes=4, scale=3.0):
    """Logits that are `scale` times as sure as they should be."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(labels, classes)).astype(np.float32)
    label = (logits + rng.gumbel(size=logits.shape)).argmax(1)  # Drawn from their softmax.
    return np.float32(scale) * logits, label


def _nll(logits, label, temperature):
    logs = special.log_softmax(logits.astype(np.float64) / temperature, axis=1)
    return -logs[np.arange(len(label)), label].mean()


def _by_scipy(logits, label):
    found = optimize.minimize_scalar(
        lambda log: _nll(logits, label, np.exp(log)), (-1, 1), tol=1e-12, method="brent"
    )
    return np.exp(found.x)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 999), st.sampled_from([0.3, 1.0, 5.0, 40.0]), st.integers(2, 6))
def test_it_is_the_minimum_that_scipy_finds(seed, scale, classes):
    logits, label = _drawn(seed, classes=classes, scale=scale)
    found = fit_temperature(logits, label)
    assert found == pytest.approx(_by_scipy(logits, label), rel=1e-6)
    assert _nll(logits, label, found) <= _nll(logits, label, 1.0)


def test_parts_of_the_labels_come_to_the_same(monkeypatch):
    logits, label = _drawn(0)
    expected = fit_temperature(logits, label)
    monkeypatch.setattr(module, "_VALUES_AT_ONCE", 28)
    assert fit_temperature(logits, label) == pytest.approx(expected, rel=1e-10)


def test_logits_that_are_too_sure_become_what_they_were_drawn_from():
    logits, label = _drawn(1, labels=20_000, scale=3.0)
    assert fit_temperature(logits, label) == pytest.approx(3, rel=0.03)


def test_the_mean_of_several_networks_is_fitted_by_its_own_probabilities():
    """Its outputs are logs of mean probabilities, and so are themselves logits."""
    members = [_drawn(seed, scale=4.0)[0] for seed in range(3)]
    label = _drawn(0)[1]
    outputs = MemberMean(of_classes=True)([tf.constant(one) for one in members]).numpy()
    found = fit_temperature(outputs, label)
    shares = np.mean([special.softmax(one.astype(np.float64), axis=1) for one in members], axis=0)
    assert found == pytest.approx(_by_scipy(np.log(shares), label), rel=1e-5)
    # What all classes have in common changes nothing.
    assert fit_temperature(outputs + np.float32(7), label) == pytest.approx(found, rel=1e-5)


def test_where_there_is_no_minimum_that_is_said():
    logits, _ = _drawn(2)
    with pytest.raises(ValueError, match="every label of it is right"):
        fit_temperature(logits, logits.argmax(1))
    with pytest.raises(ValueError, match="less of its labels than equal ones"):
        fit_temperature(logits, logits.argmin(1))


@pytest.mark.parametrize("temperature", [0.05, 0.7, 3.3, 1e6])
def test_no_class_changes_even_where_rounding_makes_scores_equal(temperature):
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(3_000, 4)).astype(np.float32)
    logits[:, 2] = np.nextafter(logits.max(1), np.float32(9))  # By the least that there is.
    plain = Reading().softmax(tf.constant(logits)).numpy()
    found = Reading(temperature).softmax(tf.constant(logits)).numpy()
    np.testing.assert_array_equal(found.argmax(1), plain.argmax(1))
    expected = special.softmax(logits.astype(np.float64) / temperature, axis=1)
    np.testing.assert_allclose(found, expected, atol=5e-6)


def test_it_can_be_taken_back():
    logits, _ = _drawn(4)
    for temperature in (0.5, 1.9):
        found = Reading(temperature).softmax(tf.constant(logits)).numpy()
        expected = Reading().softmax(tf.constant(logits)).numpy()
        np.testing.assert_allclose(without_temperature(found, temperature), expected, atol=2e-6)
    assert without_temperature(np.float32([[0, 1]]), 2.0).tolist() == [[0, 1]]

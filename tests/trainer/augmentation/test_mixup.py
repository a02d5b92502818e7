"""Two records in one, and what is learnt from them, as plain NumPy has it."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tests.datasets import CLASS_PER_RECORD, CLASS_PER_STEP, VALUE_PER_RECORD, VALUE_PER_STEP
from trainer.augmentation.augmentation import Draws, augmented
from trainer.augmentation.gain import Gain
from trainer.augmentation.mixup import Mixup, beta
from trainer.step.task import Task

_ALPHA, _SEED, _EPOCH = 0.7, 5, 2
_OWN, _PARTNER = [7, 0, 12, 1, 5], [7, 0, 3, 1, 2]


@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.5, 1.0, 3.0, 40.0])
def test_shares_are_those_of_the_beta_distribution(alpha):
    uniform = (np.arange(5000) + 0.5) / 5000
    found = beta(tf.constant(uniform, tf.float32), alpha).numpy()
    np.testing.assert_allclose(found, scipy.stats.beta(alpha, alpha).ppf(uniform), atol=2e-4)
    ends = np.array([2**-20, 1 - 2**-20])
    found = beta(tf.constant(ends, tf.float32), alpha).numpy()
    np.testing.assert_allclose(found, scipy.stats.beta(alpha, alpha).ppf(ends), atol=2e-3)


def _records(label, lengths, seed, dtype="float32", offset=0):
    """Windows of 4 samples of 2 channels, random also in the padding."""
    rng = np.random.default_rng(seed)
    lead = [5] if label.per == "record" else [5, 12]
    of_values = rng.normal(size=(*lead, *label.shape)).astype(np.float32)
    labels = rng.integers(0, 3, lead) if label.kind == "class" else of_values
    return {
        "signal": tf.constant((rng.normal(0, 900, (5, 12, 4, 2)) + offset).astype(dtype)),
        "lengths": tf.constant(lengths, tf.int32),
        "record": tf.constant(np.where(np.array(lengths) > 0, np.arange(5) + seed, -1), tf.int32),
        "label": tf.constant(labels),
        "beside": tf.constant(rng.normal(size=(5, 12, 3)), tf.float32),
    }


def _mixed(label, *others, dtype="float32", offsets=(0, 0), **padding):
    """A batch, its partners and what becomes of it."""
    batch = _records(label, _OWN, 10, dtype, offsets[0])
    partner = _records(label, _PARTNER, 20, dtype, offsets[1])
    for part, samples in zip((batch, partner), padding.values(), strict=False):
        part["padding"] = tf.constant(samples, tf.int32)
    used = [Mixup(_ALPHA), *others]
    found = augmented({**batch, "partner": partner}, used, _SEED, tf.constant(_EPOCH), label)
    return batch, partner, found


def _shares():
    """Of each partner, by another's quantiles of the same random numbers."""
    uniform = Draws(
        _SEED, tf.constant(_EPOCH), _records(CLASS_PER_STEP, _OWN, 10)["record"], "Mixup"
    )
    return scipy.stats.beta(_ALPHA, _ALPHA).ppf(uniform.uniform(0).numpy())


@pytest.mark.parametrize(
    ("dtype", "offsets"),
    [
        ("float32", (0, 0)),
        ("int16", (0, 0)),
        ("int64", (10**15, 10**15 + 50)),
        ("int32", (0, 2 * 10**9)),
    ],
)
def test_signals_are_mixed_as_far_as_both_reach(dtype, offsets):
    batch, partner, found = _mixed(CLASS_PER_RECORD, dtype=dtype, offsets=offsets)
    np.testing.assert_array_equal(found["lengths"], _OWN)
    assert found["signal"].dtype == dtype
    for row, share in enumerate(_shares()):
        own, other = (part["signal"].numpy()[row] for part in (batch, partner))
        steps = min(_OWN[row], _PARTNER[row])
        difference = (other[:steps].astype(np.int64) if offsets[1] else other[:steps]) - own[:steps]
        expected = own[:steps] + share * difference.astype(np.float64)
        nearest = 0.6 if dtype != "float32" else 0.0
        relative = 1e-3 * np.abs(difference).max(initial=0) / 900
        np.testing.assert_allclose(found["signal"][row, :steps], expected, atol=nearest + relative)
        rest = slice(steps, _OWN[row])
        np.testing.assert_array_equal(found["signal"][row, rest], own[rest])


def test_numbers_beside_the_steps_are_mixed_as_far_as_both_reach():
    batch, partner, found = _mixed(CLASS_PER_RECORD)
    for row, share in enumerate(_shares()):
        own, other = (part["beside"].numpy()[row, : _OWN[row]] for part in (batch, partner))
        is_mixed = (np.arange(_OWN[row]) < _PARTNER[row])[:, None]
        expected = np.where(is_mixed, own + share * (other - own), own)
        np.testing.assert_allclose(found["beside"][row, : _OWN[row]], expected, atol=2e-3)


@pytest.mark.parametrize("label", [CLASS_PER_RECORD, VALUE_PER_RECORD])
def test_the_label_of_a_record_is_mixed_by_the_steps_that_are(label):
    batch, partner, found = _mixed(label)
    own, other = (part["label"].numpy() for part in (batch, partner))
    share = _shares() * np.minimum(_OWN, _PARTNER) / np.maximum(_OWN, 1)
    if label.kind == "class":
        np.testing.assert_array_equal(found["label"], own)
        np.testing.assert_array_equal(found["other_label"], other)
        np.testing.assert_allclose(found["other_share"], share, atol=1e-4)
    else:
        expected = (1 - share[:, None]) * own + share[:, None] * other
        np.testing.assert_allclose(found["label"], expected, atol=1e-3)
        assert "other_label" not in found


@pytest.mark.parametrize("label", [CLASS_PER_STEP, VALUE_PER_STEP])
def test_labels_of_steps_are_mixed_where_the_steps_are(label):
    batch, partner, found = _mixed(label)
    own, other = (part["label"].numpy() for part in (batch, partner))
    share = _shares()[:, None] * (np.arange(12) < np.array(_PARTNER)[:, None])
    if label.kind == "class":
        np.testing.assert_array_equal(found["label"], own)
        np.testing.assert_array_equal(found["other_label"], other)
        np.testing.assert_allclose(found["other_share"], share, atol=1e-4)
    else:
        expected = (1 - share[..., None]) * own + share[..., None] * other
        np.testing.assert_allclose(found["label"], expected, atol=1e-3)


def test_samples_that_only_fill_a_step_enter_nothing():
    own_padding, partner_padding = [3, 0, 0, 2, 1], [0, 0, 3, 0, 2]
    batch, partner, found = _mixed(CLASS_PER_RECORD, own=own_padding, partner=partner_padding)
    np.testing.assert_array_equal(found["padding"], own_padding)
    for row in (0, 2, 3, 4):
        flat, own, other = (
            part["signal"].numpy()[row].reshape(-1, 2)[: 4 * _OWN[row]]
            for part in (found, batch, partner)
        )
        recorded = 4 * _OWN[row] - own_padding[row]
        both = min(4 * _PARTNER[row] - partner_padding[row], recorded)
        assert not flat[recorded:].any()
        np.testing.assert_array_equal(flat[both:recorded], own[both:recorded])
        assert (flat[:both] != own[:both]).all()
        inner = (flat[:both] - own[:both]) / (other[:both] - own[:both])
        np.testing.assert_allclose(inner, _shares()[row], atol=1e-3)


def test_each_of_two_records_is_changed_by_itself_first():
    batch, partner, found = _mixed(CLASS_PER_RECORD, Gain(2.0))
    louder, other = (
        augmented(part, [Gain(2.0)], _SEED, tf.constant(_EPOCH), CLASS_PER_RECORD)["signal"].numpy()
        for part in (batch, partner)
    )
    expected = louder[0, :7] + _shares()[0] * (other[0, :7] - louder[0, :7])
    np.testing.assert_allclose(found["signal"][0, :7], expected, rtol=1e-3, atol=1)


@pytest.mark.parametrize("label", [CLASS_PER_RECORD, CLASS_PER_STEP])
@pytest.mark.parametrize("weights", [None, (1.0, 2.0, 0.5)])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_weighs_both_labels(label, weights, smoothing):
    _, _, found = _mixed(label)
    lead = found["label"].shape
    logits = np.random.default_rng(0).normal(size=(*lead, 3)).astype(np.float32)
    valid = np.array(_OWN) > 0 if label.per == "record" else np.arange(12) < np.c_[_OWN]
    logits[~valid] = np.nan
    losses = -np.log(np.exp(logits) / np.exp(logits).sum(-1, keepdims=True))
    total = weight = 0.0
    share = found["other_share"].numpy()
    for name, part in (("label", 1 - share), ("other_label", share)):
        of_class = (np.ones(3) if weights is None else np.array(weights))[found[name].numpy()]
        one_hot = np.eye(3)[found[name].numpy()] * (1 - smoothing) + smoothing / 3
        total += ((losses * one_hot).sum(-1) * of_class * part)[valid].sum()
        weight += (of_class * part)[valid].sum()
    task = Task(label, weights, label_smoothing=smoothing)
    np.testing.assert_allclose(task.loss_sum(found, logits), [total, weight], rtol=1e-5)
    hits = (logits.argmax(-1) == found["label"].numpy())[valid].mean()
    accuracy = task.metric_sums(found, tf.constant(logits))["accuracy"].numpy()
    np.testing.assert_allclose(accuracy[0] / accuracy[1], hits, rtol=1e-6)

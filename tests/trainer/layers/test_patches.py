"""Patches of steps, and back, against plain loops over records."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer import layers

_LENGTHS = st.lists(st.integers(0, 7), max_size=4)


def _records(lengths):
    rng = np.random.default_rng(1)
    return [rng.normal(size=(length, 2)).astype("float32") for length in lengths]


def _packed(records):
    return np.concatenate([np.zeros((0, 2), np.float32), *records])


@settings(max_examples=30, deadline=None)
@given(_LENGTHS, st.integers(1, 5))
def test_joined_steps_are_rows_of_so_many_filled_up_with_zeros(lengths, steps):
    records = _records(lengths)
    found, patches = layers.JoinSteps(steps)(_packed(records), tf.constant(lengths, tf.int32))
    expected = []
    for record in records:
        for first in range(0, len(record), steps):
            row = np.zeros((steps, 2), np.float32)
            part = record[first : first + steps]
            row[: len(part)] = part
            expected.append(row.ravel())
    np.testing.assert_array_equal(found, np.reshape(expected, (-1, steps * 2)))
    np.testing.assert_array_equal(patches, [int(np.ceil(n / steps)) for n in lengths])


@settings(max_examples=30, deadline=None)
@given(_LENGTHS, st.integers(1, 5))
def test_every_step_gets_what_its_patch_has(lengths, steps):
    counts = [int(np.ceil(n / steps)) for n in lengths]
    records = _records(counts)
    found = layers.RepeatPatches(steps)(_packed(records), tf.constant(lengths, tf.int32))
    expected = [records[r][step // steps] for r, n in enumerate(lengths) for step in range(n)]
    np.testing.assert_array_equal(found, np.reshape(expected, (-1, 2)))


@pytest.mark.parametrize("kind", [layers.JoinSteps, layers.RepeatPatches])
def test_configurations_and_shapes(kind):
    layer = kind(3)
    assert kind.from_config(layer.get_config()).get_config() == layer.get_config()
    found = layer(keras.Input((2,)), keras.Input((), dtype="int32"))
    features = found[0].shape[1] if kind is layers.JoinSteps else found.shape[1]
    assert features == (6 if kind is layers.JoinSteps else 2)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), max_size=4))
def test_without_padding_steps_have_the_mean_of_what_was_recorded(pairs):
    samples = 3
    lengths = [samples * steps for steps, _ in pairs]
    padding = [left if steps else 0 for steps, left in pairs]
    records = _records(lengths)
    rows, recorded = layers.DropPadding()(
        _packed(records), tf.constant(lengths, tf.int32), tf.constant(padding, tf.int32)
    )
    kept = [r[: len(r) - left] for r, left in zip(records, padding, strict=True)]
    np.testing.assert_array_equal(rows, _packed(kept))
    np.testing.assert_array_equal(recorded, [len(record) for record in kept])
    means = [
        part.mean(0)
        for r in kept
        for part in np.split(r, range(samples, len(r), samples))
        if len(r)
    ]
    found = layers.StepMeans(samples)(rows, recorded)
    np.testing.assert_allclose(found, np.reshape(means, (-1, 2)), atol=1e-6)

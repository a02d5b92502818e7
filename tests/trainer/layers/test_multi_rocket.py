"""MultiROCKET's features against plain loops over samples, kernels and biases; biases; files."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer import layers

_LENGTHS = [5, 0, 1, 23, 40]
_DISTANCES = [1, 2, 3, 4]  # Of three dilations.


def _answer(record, chosen, channels, sample, distance, middle):
    """What the kernel of these three elements makes of a sample, seeing some channels."""
    total = 0.0
    for element in range(9):
        place = sample + (element - middle) * distance
        if 0 <= place < len(record):
            total += (2 if element in chosen else -1) * record[place][channels].sum()
    return total


def _by_loops(record, layer, middle=4):
    changes = np.concatenate([np.zeros_like(record[:1]), np.diff(record, axis=0)])
    kernels = list(itertools.combinations(range(9), 3))
    biases, features, rows = np.asarray(layer.biases, np.float64), [], len(record)
    for number in range(2 * len(_DISTANCES)):
        inputs, distance = (record, changes)[number % 2], _DISTANCES[number // 2]
        of_all = []
        for kernel, chosen in enumerate(kernels):
            channels = np.full(record.shape[1], True)
            if layer.channels is not None:
                channels = np.asarray(layer.channels)[number, :, kernel] > 0
            answers = [_answer(inputs, chosen, channels, i, distance, middle) for i in range(rows)]
            for bias in biases[number, kernel]:
                above = [i for i in range(rows) if answers[i] > bias]
                stretches = sum(i - 1 not in above for i in above)
                excess = np.mean([answers[i] - bias for i in above]) if above else 0
                where = np.mean(above) + 0.5 if above else 0
                of_all.append(
                    [len(above) / rows, excess, where, where / rows, stretches, stretches / rows]
                )
        # Of each feature the first biases of all kernels, then their second ones.
        of_all = np.reshape(of_all, (len(kernels), -1, 6))
        features.append(np.transpose(of_all, (2, 1, 0)).reshape(-1))
    return np.concatenate(features)


def _records(channels):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(n, channels)).astype(np.float32) for n in _LENGTHS]


@pytest.mark.parametrize(("channels", "causal"), [(1, False), (3, False), (1, True)])
def test_equals_loops_over_each_record(channels, causal):
    records = _records(channels)
    layer = layers.MultiRocket(3, 2, causal)
    given = np.concatenate(records), tf.constant(_LENGTHS)
    layer.build((None, channels))
    layer.adapt_to(*given)
    found = layer(*given).numpy()
    for row, record in enumerate(records):
        middle = 8 if causal else 4
        expected = _by_loops(record.astype(np.float64), layer, middle) if len(record) else 0
        np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-4)


def test_biases_are_exceeded_by_shares_spread_evenly():
    packed = np.random.default_rng(0).normal(size=(3000, 1)).astype(np.float32)
    layer = layers.MultiRocket(1, 4)
    layer.build((None, 1))
    lengths = tf.constant([3000])
    layer.adapt_to(packed, lengths)
    shares = np.sort(layer(packed, lengths).numpy()[0, : 84 * 4])
    np.testing.assert_allclose(shares, np.linspace(0, 1, 84 * 4), atol=0.02)


@pytest.mark.parametrize("level", [0.0, 0.1, 3.7])
def test_what_repeats_but_for_rounding_is_on_one_side_of_every_bias(level):
    """A device that is off says the same for long, and answers to it are 0 but for rounding."""
    rng = np.random.default_rng(0)
    record = np.full((400, 1), level, np.float32)
    record[100:200] += rng.normal(size=(100, 1)).astype(np.float32)
    layer = layers.MultiRocket(4, 2)
    layer.build((None, 1))
    layer.adapt_to(record, tf.constant([400]))
    found = layer(record, tf.constant([400])).numpy()
    nearly = record + rng.uniform(-2e-7, 2e-7, record.shape).astype(np.float32) * max(level, 1)
    again = layer(nearly, tf.constant([400])).numpy()
    shares = np.abs(found - again).reshape(-1, 6, 84 * 2)[:, 0]
    # But at a few rows: without a margin a hundred would be on the other side.
    assert shares.max() < 8 / 400


def test_no_rows_leave_the_biases():
    layer = layers.MultiRocket(2, 1)
    layer.build((None, 1))
    layer.adapt_to(np.zeros((0, 1), np.float32), tf.constant([0]))
    assert not np.asarray(layer.biases).any()
    assert not layer(np.zeros((0, 1), np.float32), tf.constant([0, 0])).numpy().any()


def test_kernels_see_one_to_nine_channels():
    layer = layers.MultiRocket(2, 1)
    layer.build((None, 20))
    seen = np.asarray(layer.channels).sum(1)
    assert set(np.unique(seen)) == set(range(1, 10))


def test_the_same_everywhere_and_from_a_file(tmp_path):
    rows, lengths = keras.Input((2,)), keras.Input((), dtype="int32")
    rocket = layers.MultiRocket(3, 2, seed=3)
    model = keras.Model([rows, lengths], rocket(rows, lengths))
    inputs = [_records(2)[-1], np.array([40], np.int32)]
    rocket.adapt_to(*inputs)
    assert model.output.shape[1] == model(inputs).shape[1]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(inputs), model(inputs))
    assert not rocket.trainable
    other = layers.MultiRocket(3, 2, seed=3)
    other.build((None, 2))
    np.testing.assert_array_equal(other.channels, rocket.channels)

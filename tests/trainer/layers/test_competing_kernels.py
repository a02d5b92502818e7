"""Competing kernels against a plain loop over samples, kernels and groups; their files."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer import layers

_LENGTHS = [5, 0, 1, 23, 40]
_GROUPS, _DILATIONS = 2, 4  # Kernels reach farther than the longest record.


def _fit(record, kernel, sample, dilation, middle=4):
    """Of one kernel `[9, channels]`, at an element of which the sample stands."""
    total = 0.0
    for element in range(9):
        place = sample + (element - middle) * dilation
        if 0 <= place < len(record):
            total += float(record[place] @ kernel[element])
    return total


def _by_loops(record, kernels, samples=None, middle=4):
    samples = range(len(record)) if samples is None else samples
    changes = np.concatenate([np.zeros_like(record[:1]), np.diff(record, axis=0)])
    features = []
    for number, kernel in enumerate(kernels):
        inputs, dilation = (record, changes)[number % 2], 2 ** (number // 2)
        strengths, worsts, positives = (np.zeros(_GROUPS * 8) for _ in range(3))
        for sample in samples:
            for group in range(_GROUPS):
                numbers = range(group * 8, group * 8 + 8)
                fits = {k: _fit(inputs, kernel[:, :, k], sample, dilation, middle) for k in numbers}
                best, worst = max(fits, key=fits.get), min(fits, key=fits.get)
                strengths[best] += max(fits[best], 0)
                worsts[worst] += 1
                for k in numbers:
                    positives[k] += fits[k] > 0
        features += [strengths, worsts, positives]
    return np.concatenate(features) / max(len(samples), 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_equals_loops_over_each_record(channels):
    rng = np.random.default_rng(0)
    records = [rng.normal(size=(n, channels)).astype(np.float32) for n in _LENGTHS]
    layer = layers.CompetingKernels(_GROUPS, _DILATIONS)
    lengths = tf.constant(_LENGTHS)
    found = layer(np.concatenate(records), lengths, lengths).numpy()
    kernels = [np.asarray(kernel, np.float64) for kernel in layer.kernels]
    for row, record in enumerate(records):
        expected = _by_loops(record.astype(np.float64), kernels) if len(record) else 0
        # Changes begin with a 0, for which all fits may be 0: the first of them counts.
        np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("samples", "factor"), [(4, 1), (4, 2), (5, 3), (2, 5)])
def test_features_of_steps_equal_loops_over_the_rows_of_each(samples, factor, causal):
    rng = np.random.default_rng(0)
    steps = np.array([2, 0, 1, 7])
    rows = -(-steps * samples // factor)
    records = [rng.normal(size=(n, 1)).astype(np.float32) for n in rows]
    layer = layers.CompetingKernels(_GROUPS, 2, (samples, factor), causal)
    given = (np.concatenate(records), tf.constant(rows, tf.int32), tf.constant(steps, tf.int32))
    found = iter(layer(*given).numpy())
    kernels = [np.asarray(kernel, np.float64) for kernel in layer.kernels]
    for count, record in zip(steps, records, strict=True):
        for step in range(count):
            of_step = [r for r in range(len(record)) if r * factor // samples == step]
            expected = _by_loops(record.astype(float), kernels, of_step, 8 if causal else 4)
            np.testing.assert_allclose(next(found), expected, rtol=1e-4, atol=1e-5)
    assert next(found, None) is None


@pytest.mark.parametrize("kind", ["competing", "rocket"])
def test_graphs_are_as_large_with_many_dilations_as_with_two(kind):
    # A graph of thousands of operations takes seconds to trace, for each of many traces.
    sizes = []
    for dilations in (2, 8):
        if kind == "rocket":
            layer = layers.MultiRocket(dilations, 1)
            arguments = (tf.TensorSpec((None, 1)), tf.TensorSpec((None,), tf.int32))
        else:
            layer = layers.CompetingKernels(2, dilations)
            lengths = tf.TensorSpec((None,), tf.int32)
            arguments = (tf.TensorSpec((None, 1)), lengths, lengths)
        layer.build((None, 1))
        graph = tf.function(layer, autograph=False).get_concrete_function(*arguments).graph
        inner = sum(len(f.node_def) for f in graph.as_graph_def().library.function)
        sizes.append(len(graph.get_operations()) + inner)
    assert sizes[1] <= sizes[0] + 4 * 2 * 6  # The competing kernels themselves are weights.


def test_kernels_have_mean_0_and_absolute_sum_1_on_channels_of_their_group():
    layer = layers.CompetingKernels(3, 1)
    layer.build((None, 20))
    kernel = np.asarray(layer.kernels[0])
    np.testing.assert_allclose(kernel.sum(0), 0, atol=1e-6)
    np.testing.assert_allclose(np.abs(kernel).sum((0, 1)), 1, rtol=1e-5)
    seen = (kernel != 0).any(0).reshape(20, 3, 8)
    assert (seen.all(2) == seen.any(2)).all()
    assert (seen.any(2).sum(0) == 8).all()


def test_the_same_everywhere_and_from_a_file(tmp_path):
    rows, lengths = keras.Input((2,)), keras.Input((), dtype="int32")
    kernels = layers.CompetingKernels(1, 2, seed=3)
    features = layers.Standardize()(kernels(rows, lengths, lengths))
    model = keras.Model([rows, lengths], features)
    model.save(tmp_path / "model.keras")
    inputs = [np.ones((4, 2), np.float32), np.array([4], np.int32)]
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(inputs), model(inputs))
    assert not kernels.trainable
    other = layers.CompetingKernels(1, 2, seed=3)
    other.build((None, 2))
    np.testing.assert_array_equal(other.kernels[3], kernels.kernels[3])

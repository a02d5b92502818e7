"""One layer over every step: output shapes and parameters, on packed steps and in Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer import layers

_DENSE_8 = (keras.layers.Dense, {"units": 8})
_DENSE_10 = (keras.layers.Dense, {"units": 10})
_DENSE_89 = (keras.layers.Dense, {"units": 89})
_CONV_64 = (keras.layers.Conv2D, {"filters": 64, "kernel_size": 3})
_CONV_64_SAME = (keras.layers.Conv2D, {"filters": 64, "kernel_size": 3, "padding": "same"})
_CONV_32_SAME = (keras.layers.Conv2D, {"filters": 32, "kernel_size": 3, "padding": "same"})

# Input without the batch, layer, output without the batch, parameters.
_ROWS = [
    ((10, 16), _DENSE_8, (10, 8), 136),
    ((10, 16), _DENSE_89, (10, 89), 1_513),
    ((None, 16), _DENSE_89, (None, 89), 1_513),
    ((None, 16, 150), _DENSE_89, (None, 16, 89), 13_439),
    ((None, 16, 150, 100), _DENSE_89, (None, 16, 150, 89), 8_989),
    ((None, 299, 299, 3), _CONV_64, (None, 297, 297, 64), 1_792),
    ((None, 299, 299, 5), _CONV_64, (None, 297, 297, 64), 2_944),
    ((10, 299, 299, 3), _CONV_64_SAME, (10, 299, 299, 64), 1_792),
    ((12, 8), _DENSE_10, (12, 10), 90),
    ((12, 32, 32, 3), _CONV_32_SAME, (12, 32, 32, 32), 896),
]
_IDS = [f"{shape}-{layer.__name__}" for shape, (layer, _), *_ in _ROWS]


def _ours(shape, layer):
    steps, lengths = keras.Input(shape), keras.Input((), dtype="int32")
    packed = layer(layers.PackSteps()(steps, lengths))
    return keras.Model([steps, lengths], layers.UnpackSteps()(packed, lengths, steps))


def _stock(shape, layer):
    steps = keras.Input(shape)
    return keras.Model(steps, keras.layers.TimeDistributed(layer)(steps))


@pytest.mark.parametrize("build", [_ours, _stock], ids=["packed", "keras"])
@pytest.mark.parametrize(("shape", "layer", "output", "parameters"), _ROWS, ids=_IDS)
def test_shape_and_parameters(build, shape, layer, output, parameters):
    kind, options = layer
    model = build(shape, kind(**options))
    assert model.output.shape == (None, *output)
    assert model.count_params() == parameters


# The largest inputs are left to the symbolic shapes above: a step of them takes seconds.
@pytest.mark.parametrize(("shape", "layer", "output", "parameters"), [_ROWS[i] for i in (0, 3, 9)])
def test_values_of_both_agree(shape, layer, output, parameters):
    kind, options = layer
    ours, stock = _ours(shape, kind(**options)), _stock(shape, kind(**options))
    stock.set_weights(ours.get_weights())
    steps = shape[0] or 3
    x = np.random.default_rng(0).normal(size=(2, steps, *shape[1:])).astype(np.float32)
    found = ours([tf.constant(x), tf.constant([steps, steps])])
    assert found.shape == (2, steps, *output[1:])
    np.testing.assert_allclose(found, stock(x), atol=1e-5, rtol=1e-5)


def test_a_convolution_without_the_wrapper():
    image = keras.Input((32, 32, 2))
    model = keras.Model(image, keras.layers.Conv2D(32, 3, padding="same")(image))
    assert model.output.shape == (None, 32, 32, 32)
    assert model.count_params() == 608


def test_one_dense_over_the_flattened_sequence_has_time_times_the_weights():
    steps = keras.Input((10, 16))
    flat = keras.Model(steps, keras.layers.Dense(8)(keras.layers.Flatten()(steps)))
    shared = _ours((10, 16), keras.layers.Dense(8))
    kernels = [model.trainable_variables[0].value for model in (flat, shared)]
    assert tf.size(kernels[0]) == 10 * tf.size(kernels[1])

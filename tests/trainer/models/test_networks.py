"""Published networks against the same stack of stock Keras layers, on one record at a time."""

import keras
import numpy as np
import pytest

from tests.datasets import CLASS_PER_RECORD
from tfrecords_schema import InputSpec
from trainer.models.family import DataSpec, families
from trainer.models.parts.network import NetworkOptions
from trainer.models.parts.random_convolutions import RandomConvolutionOptions

_DATA = DataSpec(InputSpec("signal", "float32", (3,)), CLASS_PER_RECORD, None)


def _convolved(x, filters, kernel, name, *, causal=False, dilation=1):
    padding = "causal" if causal else "same"
    return keras.layers.Conv1D(
        filters, kernel, padding=padding, dilation_rate=dilation, use_bias=False, name=name
    )(x)


def _normalized(x, name):
    return keras.layers.BatchNormalization(name=name)(x)


def _fcn(x):
    for kernel, filters in ((8, 4), (5, 8), (3, 4)):
        x = _convolved(x, filters, kernel, f"conv_{kernel}")
        x = keras.layers.ReLU()(_normalized(x, f"normalization_{kernel}"))
    return x


def _resnet(x):
    for number, filters in enumerate((4, 8, 8)):
        name, same = f"block_{number}", x
        if same.shape[-1] != filters:
            same = _convolved(same, filters, 1, f"{name}_shortcut")
        same = _normalized(same, f"{name}_shortcut_normalization")
        for kernel in (8, 5, 3):
            x = _convolved(x, filters, kernel, f"{name}_conv_{kernel}")
            x = _normalized(x, f"{name}_normalization_{kernel}")
            x = x if kernel == 3 else keras.layers.ReLU()(x)
        x = keras.layers.ReLU()(keras.layers.Add()([x, same]))
    return x


def _inception_time(x):
    same = x
    for number in range(6):
        name = f"block_{number}"
        narrow = _convolved(x, 2, 1, f"{name}_bottleneck") if x.shape[-1] > 2 else x
        branches = [_convolved(narrow, 2, k, f"{name}_conv_{k}") for k in (40, 20, 10)]
        highest = keras.layers.MaxPooling1D(3, 1, padding="same")(x)
        branches.append(_convolved(highest, 2, 1, f"{name}_of_max"))
        x = _normalized(keras.layers.Concatenate()(branches), f"{name}_normalization")
        x = keras.layers.ReLU()(x)
        if number in (2, 5):
            same = _convolved(same, 8, 1, f"shortcut_{number}")
            same = _normalized(same, f"shortcut_{number}_normalization")
            x = same = keras.layers.ReLU()(keras.layers.Add()([x, same]))
    return x


def _tcn(x):
    for number in range(8):
        name, same = f"block_{number}", x
        if same.shape[-1] != 4:
            same = keras.layers.Conv1D(4, 1, name=f"{name}_shortcut")(same)
        for half in range(2):
            x = _convolved(x, 4, 7, f"{name}_conv_{half}", causal=True, dilation=2**number)
            x = keras.layers.ReLU()(_normalized(x, f"{name}_normalization_{half}"))
        x = keras.layers.ReLU()(keras.layers.Add()([x, same]))
    return x


def _bidirectional(x):
    for number in range(2):
        forward = keras.layers.GRU(4, return_sequences=True, name=f"gru_{number}")(x)
        backward = keras.layers.GRU(
            4, return_sequences=True, go_backwards=True, name=f"gru_{number}_backward"
        )(x)
        x = keras.layers.Concatenate()([forward, keras.ops.flip(backward, 1)])
    return x


def _with_weights_of(network, stack):
    """The stack with a mean and a Dense behind it, its weights by the names of its layers."""
    signal = keras.Input((None, 3))
    x = keras.layers.GlobalAveragePooling1D()(stack(signal))
    model = keras.Model(signal, keras.layers.Dense(3, name="head")(x))
    names = {layer.name for layer in network.layers if layer.weights}
    assert names == {layer.name for layer in model.layers if layer.weights}
    for name in names:
        given = network.get_layer(name).get_weights()
        expected = [w.shape for w in model.get_layer(name).get_weights()]
        model.get_layer(name).set_weights(
            [w.reshape(shape) for w, shape in zip(given, expected, strict=True)]
        )
    return model


@pytest.mark.parametrize(
    ("name", "stack", "options"),
    [
        ("fcn", _fcn, {"width": 4}),
        ("resnet", _resnet, {"width": 4}),
        ("inception_time", _inception_time, {"width": 2}),
        ("tcn", _tcn, {"width": 4, "causal": True}),
        ("bidirectional", _bidirectional, {"width": 4}),
    ],
)
def test_equals_a_stack_of_stock_layers_on_a_record_alone(name, stack, options):
    keras.utils.set_random_seed(1)
    family = families()[name]
    model = family.build(_DATA, NetworkOptions(**options), RandomConvolutionOptions()).full
    rng = np.random.default_rng(2)
    for variable in model.variables:
        if variable.dtype == "float32":
            variable.assign(variable + rng.uniform(0.05, 0.3, variable.shape))
    stock = _with_weights_of(model.get_layer("network"), stack)
    for steps in (1, 2, 47):
        signal = rng.normal(size=(1, steps, 3)).astype(np.float32)
        found = model({"signal": signal, "lengths": np.array([steps], np.int32)}, training=False)
        np.testing.assert_allclose(found, stock(signal, training=False), rtol=1e-4, atol=1e-4)

"""Strided convolutions against the stock layer, in outputs and all gradients; and over time."""

import keras
import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer import layers


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.integers(1, 7), st.integers(0, 9), st.integers(1, 3))
def test_equals_the_stock_layer_at_any_stride_kernel_and_length(stride, kernel, more, channels):
    random = np.random.default_rng(stride * 1000 + kernel * 100 + more)
    inputs = tf.constant(random.normal(size=(3, kernel + more, channels)))
    ours = layers.Conv1D(2, kernel, strides=stride, activation="tanh", dtype="float64")
    stock = keras.layers.Conv1D(2, kernel, strides=stride, activation="tanh", dtype="float64")
    for layer in (ours, stock):
        layer.build(inputs.shape)
    stock.set_weights(ours.get_weights())
    for mine, theirs in zip(_results(ours, inputs), _results(stock, inputs), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-12)


def _results(layer, inputs):
    """The outputs, and the gradients of the inputs and of every variable."""

    @tf.function(input_signature=[tf.TensorSpec([None, *inputs.shape[1:]], inputs.dtype)])
    def run(inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs)
            loss = tf.reduce_sum(tf.square(outputs))
        return [outputs, *tape.gradient(loss, [inputs, *(v.value for v in layer.variables)])]

    return [tensor.numpy() for tensor in run(inputs)]


def test_nothing_known_of_the_samples_falls_back_to_the_stock_product():
    layer = layers.Conv1D(2, 3, strides=2)
    model = keras.Sequential([keras.Input((None, 1)), layer])
    assert model(tf.ones([2, 8, 1])).shape == (2, 3, 2)


def test_no_product_in_the_graph_has_a_stride():
    layer = layers.Conv1D(2, 3, strides=2)
    graph = tf.function(layer).get_concrete_function(tf.TensorSpec([None, 9, 1])).graph
    strides = [op.get_attr("strides") for op in _operations(graph) if op.type == "Conv2D"]
    assert strides == [[1, 1, 1, 1]]


def _operations(graph):
    functions = [function.graph for function in graph._functions.values()]
    return [op for each in [graph, *functions] for op in each.get_operations()]


def test_convolution_over_time_sees_zeros_beyond_the_record():
    lengths = [3, 0, 1, 5]
    x = np.random.default_rng(2).normal(size=(4, 6, 3)).astype("float32") - 3.0
    layer = layers.TemporalConvolution(4, 5, "relu")
    outputs = layer(layers.pack_steps(x, lengths), tf.constant(lengths))
    expected = [layer.convolution(x[r : r + 1, :n])[0] for r, n in enumerate(lengths) if n]
    np.testing.assert_allclose(outputs, np.concatenate(expected), atol=1e-5)
    assert layer(tf.zeros([0, 3]), tf.zeros([2], tf.int32)).shape == (0, 4)


def test_convolution_over_time_config_and_shape():
    layer = layers.TemporalConvolution(4, 5, "relu", name="over_time")
    outputs = layer(keras.Input((3,)), keras.Input((), dtype="int32"))
    assert outputs.shape == (None, 4)
    again = layers.TemporalConvolution.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()

"""Strided convolutions against the stock layer, in outputs and all gradients; and over time."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer import layers
from trainer.layers.rows import windows


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


def test_products_of_some_rows_at_a_time_add_up_to_the_gradient(monkeypatch):
    monkeypatch.setattr(windows, "_PRODUCTS_FROM", 1)
    monkeypatch.setattr(windows, "_ROWS_IN_CACHE", 10)  # Two rows of 5, then the third.
    test_equals_the_stock_layer_at_any_stride_kernel_and_length.hypothesis.inner_test(2, 5, 5, 2)


@pytest.mark.parametrize("has_amx", [True, False])
def test_learns_the_same_in_half_precision_whoever_makes_the_gradients(monkeypatch, has_amx):
    monkeypatch.setattr(windows, "_has_amx", lambda: has_amx)
    random = np.random.default_rng(1)
    inputs = tf.constant(random.integers(-2, 3, (5, 40, 16)), tf.float64)  # Exact in bfloat16.
    upstream = tf.constant(random.integers(-1, 2, (5, 18, 4)), tf.float64)
    kernel = tf.constant(random.integers(-2, 3, (6, 16, 4)), tf.float64)

    def gradients(convolve, dtype):
        given = [tf.cast(x, dtype) for x in (inputs, kernel)]
        with tf.GradientTape() as tape:
            tape.watch(given)
            found = convolve(*given) * tf.cast(upstream, dtype)
        return [x.numpy().astype("float32") for x in tape.gradient(found, given)]

    mine = gradients(lambda x, k: windows.strided_convolution(x, k, 2), tf.bfloat16)
    theirs = gradients(lambda x, k: tf.nn.conv1d(x, k, 2, "VALID"), tf.float64)
    for found, expected in zip(mine, theirs, strict=True):
        np.testing.assert_array_equal(found, expected)


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


def test_convolution_over_time_config_and_shape():
    layer = layers.TemporalConvolution(4, 5, "relu", name="over_time")
    outputs = layer(keras.Input((3,)), keras.Input((), dtype="int32"))
    assert outputs.shape == (None, 4)
    again = layers.TemporalConvolution.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


_OVER_TIME = [(1, 1, False), (2, 1, False), (3, 1, False), (4, 3, False), (3, 4, False)]
_OVER_TIME += [(1, 1, True), (2, 1, True), (3, 2, True), (4, 3, True)]
_LENGTHS = [3, 0, 1, 9, 2]


def _each_record(stock, layer, features=3):
    """Both layers on the same records: packed, and a stock layer on each of them alone."""
    x = np.random.default_rng(2).normal(size=(5, 10, features)).astype("float32") - 3.0
    lengths = tf.constant(_LENGTHS)
    outputs = layer(layers.pack_steps(x, lengths), lengths)
    expected = [stock(x[r : r + 1, :n])[0] for r, n in enumerate(_LENGTHS) if n]
    np.testing.assert_allclose(outputs, np.concatenate(expected), atol=1e-5)
    again = type(layer).from_config(layer.get_config())
    again.build((None, features))
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(layers.pack_steps(x, lengths), lengths), outputs)
    symbolic = layer(keras.Input((features,)), keras.Input((), dtype="int32"))
    assert symbolic.shape[1:] == outputs.shape[1:]
    assert layer(tf.zeros([0, features]), tf.zeros([0], tf.int32)).shape == (0, *outputs.shape[1:])


@pytest.mark.parametrize(("kernel", "dilation", "causal"), _OVER_TIME)
def test_over_time_like_the_stock_layer_on_each_record(kernel, dilation, causal):
    of = {"dilation_rate": dilation, "padding": "causal" if causal else "same"}
    stock = keras.layers.Conv1D(4, kernel, activation="relu", **of)
    stock.build((None, None, 3))
    layer = layers.TemporalConvolution(4, kernel, "relu", dilation=dilation, causal=causal)
    layer.build((None, 3))
    layer.set_weights(stock.get_weights())
    _each_record(stock, layer)


@pytest.mark.parametrize("apart_from", [1, 16])
@pytest.mark.parametrize(("kernel", "dilation", "causal"), _OVER_TIME)
def test_over_time_gradients_like_the_stock_layer_on_each_record(
    kernel, dilation, causal, apart_from, monkeypatch
):
    monkeypatch.setattr(windows, "_APART_FROM", apart_from)
    of = {"dilation_rate": dilation, "padding": "causal" if causal else "same"}
    stock = keras.layers.Conv1D(4, kernel, **of)
    stock.build((None, None, 3))
    layer = layers.TemporalConvolution(4, kernel, dilation=dilation, causal=causal)
    layer.build((None, 3))
    layer.set_weights(stock.get_weights())
    rows = tf.constant(np.random.default_rng(3).normal(size=(sum(_LENGTHS), 3)), tf.float32)

    def of_each(rows):
        records = [x for x in tf.split(rows, _LENGTHS) if len(x)]
        return tf.concat([stock(record[None])[0] for record in records], 0)

    def gradients(call, of):
        with tf.GradientTape() as tape:
            tape.watch(rows)
            loss = tf.reduce_sum(tf.sin(call(rows)))
        return tape.gradient(loss, [rows, *(v.value for v in of.variables)])

    found = gradients(lambda rows: layer(rows, tf.constant(_LENGTHS)), layer)
    for mine, theirs in zip(found, gradients(of_each, stock), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("outputs", [0, 1, 3, 4, 11])
@pytest.mark.parametrize(("samples", "dilation"), [(1, 1), (3, 1), (3, 4)])
def test_one_row_in_pieces_like_a_loop_over_its_samples(samples, dilation, outputs, monkeypatch):
    monkeypatch.setattr(windows, "_is_slow_on_one_row", lambda: True)
    monkeypatch.setattr(windows, "_PIECES_FROM", 1)
    monkeypatch.setattr(windows, "_ROWS_OF_PIECE", 3)
    random = np.random.default_rng(outputs)
    kernel = random.normal(size=(samples, 2, 4))
    rows = random.normal(size=(outputs + (samples - 1) * dilation, 2))
    upstream = random.normal(size=(outputs, 4))
    found, of_rows, of_kernel = np.zeros((outputs, 4)), np.zeros_like(rows), np.zeros_like(kernel)
    for output in range(outputs):
        for sample in range(samples):
            row = output + sample * dilation
            found[output] += rows[row] @ kernel[sample]
            of_rows[row] += kernel[sample] @ upstream[output]
            of_kernel[sample] += np.outer(rows[row], upstream[output])

    @tf.function
    def convolve(rows, kernel, upstream):
        convolved, gradient = windows.convolution_of_rows(rows, kernel, dilation)
        return convolved, *gradient(upstream)

    given = [tf.constant(array) for array in (rows, kernel, upstream)]
    for mine, expected in zip(convolve(*given), (found, of_rows, of_kernel), strict=True):
        np.testing.assert_allclose(mine, expected, atol=1e-12)


@pytest.mark.parametrize(("is_slow", "changes"), [(True, True), (True, False), (False, True)])
def test_one_row_is_cut_where_that_is_faster_and_never_for_a_constant(
    is_slow, changes, monkeypatch
):
    monkeypatch.setattr(windows, "_is_slow_on_one_row", lambda: is_slow)
    ones = np.ones((3, 32, 8), "float32")
    kernel = tf.Variable(ones)

    def convolve(rows):
        used = tf.convert_to_tensor(kernel) if changes else tf.constant(ones)
        return tf.custom_gradient(lambda x, k: windows.convolution_of_rows(x, k, 1))(rows, used)

    graph = tf.function(convolve).get_concrete_function(tf.TensorSpec([None, 32])).graph
    types = [operation.type for operation in _operations(graph)]
    assert ("GatherV2" in types) == (is_slow and changes)


@pytest.mark.parametrize(("kernel", "causal"), [(k, c) for k, d, c in _OVER_TIME if d == 1])
def test_over_time_by_feature_like_the_stock_layer_on_each_record(kernel, causal):
    stock = keras.layers.DepthwiseConv1D(kernel, padding="valid" if causal else "same")
    stock.build((None, None, 3))
    layer = layers.TemporalDepthwiseConvolution(kernel, causal=causal)
    layer.build((None, 3))
    weights, bias = stock.get_weights()[0][:, None], np.array([1.0, -2.0, 3.0])
    layer.set_weights([weights, bias])
    stock.set_weights([weights[:, 0], bias])
    before = [[0, 0], [kernel - 1, 0], [0, 0]] if causal else [[0, 0]] * 3
    _each_record(lambda x: stock(np.pad(x, before)), layer)


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
@pytest.mark.parametrize("causal", [False, True])
def test_the_greatest_over_time_like_the_stock_layer_on_each_record(steps, causal):
    stock = keras.layers.MaxPooling1D(steps, 1, padding="valid" if causal else "same")
    before = [[0, 0], [steps - 1, 0], [0, 0]] if causal else [[0, 0]] * 3
    _each_record(
        lambda x: stock(np.pad(x, before, constant_values=-1e9)),
        layers.TemporalMaxPooling(steps, causal=causal),
    )

"""GRU and LSTM against the stock layers, row by row without padding."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer import layers
from trainer.layers.recurrence import recur

FEATURES, UNITS = 3, 4
PAIRS = {"gru": (layers.GRU, keras.layers.GRU), "lstm": (layers.LSTM, keras.layers.LSTM)}
CELLS = pytest.mark.parametrize("cell", ["gru", "lstm"])


def pair(cell, **options):
    """Our layer and the stock layer, with the same random weights."""
    mine, stock = (layer_class(UNITS, **options) for layer_class in PAIRS[cell])
    random = np.random.default_rng(5)
    for layer in (mine, stock):
        layer.build((None, None, FEATURES))
    weights = [random.normal(scale=0.5, size=w.shape) for w in stock.get_weights()]
    stock.set_weights(weights)
    mine.set_weights(stock.get_weights())
    return mine, stock


def batch(lengths, extra_steps=2):
    shape = (len(lengths), max(lengths) + extra_steps, FEATURES)
    return np.random.default_rng(6).normal(size=shape).astype("float32")


def rows(x, lengths):
    return [(row, x[row : row + 1, :length]) for row, length in enumerate(lengths) if length]


@CELLS
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("backwards", [False, True])
def test_equals_the_stock_layer_on_every_row(cell, activation, backwards):
    options = {"activation": activation, "return_sequences": True, "go_backwards": backwards}
    mine, stock = pair(cell, **options)
    lengths = [3, 0, 5, 1]
    x = batch(lengths)
    outputs = mine(x, tf.constant(lengths)).numpy()
    assert outputs.shape == (4, 7, UNITS)
    expected = np.zeros_like(outputs)
    for row, alone in rows(x, lengths):
        of_row = stock(alone)[0]
        expected[row, : lengths[row]] = of_row[::-1] if backwards else of_row
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


@CELLS
@pytest.mark.parametrize("backwards", [False, True])
def test_last_state_is_that_of_the_last_valid_step(cell, backwards):
    mine, stock = pair(cell, return_state=True, go_backwards=backwards)
    lengths = [3, 0, 5, 1]
    x = batch(lengths)
    outputs = mine(x, tf.constant(lengths))
    for part, got in enumerate(outputs):
        expected = np.zeros((4, UNITS))
        for row, alone in rows(x, lengths):
            expected[row] = stock(alone)[part][0]
        np.testing.assert_allclose(got, expected, atol=1e-5)


@CELLS
@pytest.mark.parametrize("in_graph", [False, True])
@pytest.mark.parametrize("use_bias", [False, True])
def test_gradients_equal_the_stock_layer(cell, in_graph, use_bias):
    mine, stock = pair(cell, return_sequences=True, use_bias=use_bias)
    lengths = [4, 4]
    x = tf.constant(batch(lengths, extra_steps=0))
    upstream = tf.constant(np.random.default_rng(7).normal(size=(2, 4, UNITS)), tf.float32)

    def gradients(layer, *arguments):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, *arguments) * upstream)
        return tape.gradient(loss, [x, *layer.trainable_variables])

    run = tf.function(gradients) if in_graph else gradients
    for got, expected in zip(run(mine, tf.constant(lengths)), gradients(stock), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=3), st.sampled_from(["gru", "lstm"]))
def test_packed_inputs_give_the_same_packed(lengths, cell):
    mine, _ = pair(cell, return_sequences=True)
    x, lengths = tf.constant(batch(lengths)), tf.constant(lengths)
    packed = mine(layers.pack_steps(x, lengths), lengths)
    np.testing.assert_allclose(packed, layers.pack_steps(mine(x, lengths), lengths), atol=1e-6)


def test_recur_equals_automatic_differentiation():
    random = np.random.default_rng(8)
    time, rows_, gates = 5, 3, 2
    inputs, kernel, bias, start = (
        tf.constant(random.normal(size=shape), tf.float64)
        for shape in ((time, rows_, gates), (gates, gates), (gates,), (rows_, gates))
    )
    valid = tf.transpose(tf.sequence_mask([5, 2, 0], time))[..., None]
    upstream = tf.constant(random.normal(size=(time, rows_, gates)))
    watched = [inputs, kernel, bias, start]

    def pointwise(x, projected, h):
        return [0.9 * h + tf.tanh(x * projected)]

    def plain_loop():
        h, states = start, []
        for step in range(time):
            new = pointwise(inputs[step], h @ kernel + bias, h)[0]
            h = tf.where(valid[step], new, h)
            states.append(h)
        return tf.stack(states)

    def gradients(function):
        with tf.GradientTape() as tape:
            tape.watch(watched)
            loss = tf.reduce_sum(function() * upstream)
        return tape.gradient(loss, watched)

    got = gradients(lambda: recur(pointwise, inputs, valid, kernel, bias, [start])[0])
    for mine, expected in zip(got, gradients(plain_loop), strict=True):
        np.testing.assert_allclose(mine, expected, atol=1e-12)


@CELLS
def test_states_that_would_explode_on_padding_stay_out(cell):
    mine, _ = pair(cell, activation="relu", return_sequences=True)
    mine.set_weights([np.full(w.shape, 3.0) for w in mine.get_weights()])
    x = tf.ones([2, 200, FEATURES])
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(mine(x, tf.constant([2, 0])))
    gradients = tape.gradient(loss, [x, *mine.trainable_variables])
    assert all(np.all(np.isfinite(gradient)) for gradient in gradients)


@CELLS
def test_a_batch_without_valid_steps(cell):
    mine, _ = pair(cell, return_sequences=True, return_state=True)
    outputs = tf.function(mine)(batch([0, 0]), tf.zeros([2], tf.int32))
    assert all(np.all(output == 0) for output in outputs)
    assert mine(tf.zeros([0, FEATURES]), tf.zeros([2], tf.int32))[0].shape == (0, UNITS)


@CELLS
def test_variables_regularizer_and_functional_shapes(cell):
    mine, stock = pair(cell, kernel_regularizer=keras.regularizers.L2(0.1))
    assert [v.path.split("/")[1:] for v in mine.variables] == [
        v.path.split("/")[1:] for v in stock.variables
    ]
    np.testing.assert_allclose(mine.losses, stock.losses)
    lengths = keras.Input((), dtype="int32")
    assert mine(keras.Input((None, FEATURES)), lengths).shape == (None, UNITS)
    sequences = PAIRS[cell][0](UNITS, return_sequences=True)
    assert sequences(keras.Input((7, FEATURES)), lengths).shape == (None, 7, UNITS)


@CELLS
def test_config_round_trip(cell):
    mine, _ = pair(cell, activation="relu", return_sequences=True)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(mine))
    assert type(again) is type(mine)
    assert again.get_config() == mine.get_config()


@CELLS
def test_dropout_inside_is_refused(cell):
    with pytest.raises(ValueError, match=r"dropout cannot be used.*Put a Dropout layer"):
        PAIRS[cell][0](UNITS, dropout=0.2)


def test_gru_reset_before_is_refused():
    with pytest.raises(ValueError, match="reset_after=False"):
        layers.GRU(UNITS, reset_after=False)

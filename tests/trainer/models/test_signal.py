"""The signal model: counts, stock Keras layers step by step, and what padding may not change."""

from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrecords_schema import InputSpec, LabelSpec
from tfrecords_schema.errors import DatasetError
from tfrecords_schema.manifest import Statistics
from trainer import layers
from trainer.models.signal import SignalModelOptions, build_signal_model

PER_STEP = LabelSpec("step", "class", class_names=("a", "b"))
PER_RECORD = LabelSpec("record", "class", class_names=("a", "b"))
SMALL = {
    "conv_filters": (3, 4),
    "conv_strides": (2, 1),
    "conv_kernel_samples": 4,
    "rnn_units": (5, 3),
    "dropout": 0.0,
}
SMALL_INPUT = InputSpec("signal", "float32", (20, 2))


def small(label=PER_STEP, spec=SMALL_INPUT, statistics=None, **options):
    return build_signal_model(SignalModelOptions(**{**SMALL, **options}), spec, label, statistics)


def randomized(model):
    random = np.random.default_rng(4)
    model.set_weights(
        [
            random.uniform(0.1, 0.6, w.shape) * random.choice([-1, 1], w.shape)
            if "moving_variance" not in v.path
            else random.uniform(0.5, 2, w.shape)
            for v, w in zip(model.weights, model.get_weights(), strict=True)
        ]
    )
    return model


def signal(rows, steps, shape=(20, 2)):
    x = np.random.default_rng(9).normal(size=(rows, steps, *shape))
    return tf.constant(x, tf.float32)


def test_the_published_model_layer_by_layer():
    model = build_signal_model(
        SignalModelOptions(), InputSpec("signal", "float32", (3000, 1)), PER_STEP
    )
    assert model.count_params() == 2_832_002
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == 2_830_978
    counts = [layer.count_params() for layer in model.layers if layer.count_params()]
    conv = [1_056, 128, 32_800, 128, 32_800, 128, 32_800, 128]
    assert counts == [*conv, 2_582_016, 1_024, 148_224, 512, 258]
    shapes = [model.get_layer(f"conv_{i}").output.shape[1:] for i in range(4)]
    assert shapes == [(990, 32), (480, 32), (225, 32), (97, 32)]
    assert model.get_layer("pool_step").output.shape[1:] == (3104,)
    assert model.output.shape == (None, None, 2)


def stock_model(model, x):
    """The same weights in stock layers, step by step: Conv2D kernels, GRU, BatchNormalization."""

    def stock_batch_norm(name, x):
        layer = keras.layers.BatchNormalization()
        layer.build(x.shape)
        layer.set_weights(model.get_layer(f"{name}_batch_normalization").get_weights())
        return layer(x)

    def encode(step):
        step = step[None, :, None, :]
        for name in ("conv_0", "conv_1"):
            mine = model.get_layer(name)
            kernel, bias = mine.get_weights()
            layer = keras.layers.Conv2D(
                mine.filters, (4, 1), strides=(mine.strides[0], 1), activation="relu"
            )
            layer.build(step.shape)
            layer.set_weights([kernel[:, None], bias])
            step = stock_batch_norm(name, layer(step))
        return keras.layers.Flatten()(step)

    x = keras.ops.stack([encode(step) for step in x], axis=1)
    for name, units in (("rnn_0", 5), ("rnn_1", 3)):
        layer = keras.layers.GRU(units, activation="relu", return_sequences=True)
        layer.build(x.shape)
        layer.set_weights(model.get_layer(name).get_weights())
        x = stock_batch_norm(name, layer(x))
    head = keras.layers.Dense(2)
    head.build(x.shape)
    head.set_weights(model.get_layer("head").get_weights())
    return head(x)


def test_equals_stock_layers_applied_step_by_step():
    model = randomized(small())
    x = signal(1, 6)
    outputs = model({"signal": x, "lengths": tf.constant([6])})
    np.testing.assert_allclose(outputs, stock_model(model, x[0]), rtol=1e-5, atol=1e-5)


def training(model, per_record):
    """A step: valid outputs, then loss, gradients and the updated statistics."""

    @tf.function(
        input_signature=[tf.TensorSpec([None, None, 20, 2]), tf.TensorSpec([None], tf.int32)]
    )
    def step(x, lengths):
        valid = lengths > 0 if per_record else tf.sequence_mask(lengths, tf.shape(x)[1])
        with tf.GradientTape() as tape:
            outputs = model({"signal": x, "lengths": lengths}, training=True)
            outputs = tf.boolean_mask(outputs, valid)
            loss = tf.reduce_sum(tf.square(outputs - 1)) / tf.cast(tf.size(outputs), outputs.dtype)
        gradients = tape.gradient(loss, model.trainable_variables)
        return [outputs, loss, *gradients, *(tf.identity(v) for v in statistics(model))]

    return step


def statistics(model):
    return [v for v in model.non_trainable_variables if "moving" in v.name]


OPTIONS = {
    "published": (PER_STEP, {}),
    "record": (PER_RECORD, {}),
    "everything": (
        PER_RECORD,
        {
            "bidirectional": True,
            "rnn_cell": "lstm",
            "record_pooling": "mean",
            "dense_units": (3,),
            "temporal_filters": (4,),
            "temporal_kernel_steps": 3,
            "normalization": "record",
            "step_pooling": "max",
        },
    ),
}


@pytest.mark.parametrize("name", [*OPTIONS, "published_float32"])
@settings(max_examples=15, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 4), min_size=3, max_size=4),
    more_steps=st.integers(0, 3),
    empty_rows=st.integers(0, 2),
)
def test_property_08_padding_changes_nothing(models, name, lengths, more_steps, empty_rows):
    model, weights, step = models[name]
    x = signal(len(lengths), max(lengths))
    padded = np.full((len(x) + empty_rows, x.shape[1] + more_steps, *x.shape[2:]), 1e6, "float32")
    for row, length in enumerate(lengths):
        padded[row, :length] = x[row, :length]
    results = []
    for batch, its_lengths in ((x, lengths), (padded, [*lengths, *[0] * empty_rows])):
        model.set_weights(weights)
        results.append(step(tf.constant(batch), tf.constant(its_lengths)))
    for expected, got in zip(*results, strict=True):
        scale = max(1.0, float(np.abs(expected).max()))
        tolerance = 1e-6 if name == "published_float32" else 1e-9
        np.testing.assert_allclose(got / scale, expected / scale, atol=tolerance)


@pytest.fixture(scope="module")
def models():
    """In float64, where rounding is far below a leak; and once as it is trained."""
    built = {}

    def add(name, label, its_options):
        model = randomized(small(label, **its_options))
        built[name] = (model, model.get_weights(), training(model, label.per == "record"))

    add("published_float32", *OPTIONS["published"])
    keras.config.set_dtype_policy("float64")
    with mock.patch.object(layers, "BatchNormalization", Float64BatchNormalization):
        for name, (label, its_options) in OPTIONS.items():
            add(name, label, its_options)
    keras.config.set_dtype_policy("float32")
    return built


class Float64BatchNormalization(keras.layers.BatchNormalization):
    """Stands in for the project's, whose kernels have no float64: over the rows, if any."""

    def call(self, inputs, training=None):
        if not training:
            return super().call(inputs, training=False)
        rows = tf.reshape(inputs, [-1, inputs.shape[-1]])
        count = tf.cast(tf.shape(rows)[0], rows.dtype)
        mean = tf.reduce_sum(rows, axis=0) / tf.maximum(count, 1)
        squares = tf.reduce_sum(tf.math.squared_difference(rows, mean), axis=0)
        variance = squares / tf.maximum(count, 1)
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            new = moving.value * self.momentum + value * (1 - self.momentum)
            moving.assign(tf.where(count > 0, new, moving.value))
        gamma, beta = self.gamma.value, self.beta.value
        outputs = tf.nn.batch_normalization(rows, mean, variance, beta, gamma, self.epsilon)
        return tf.reshape(outputs, tf.shape(inputs))


def test_padding_and_empty_rows_of_the_output_are_zero():
    model = randomized(small())
    outputs = model({"signal": signal(2, 4), "lengths": tf.constant([2, 0])}).numpy()
    assert np.all(outputs[0, :2] != 0)
    assert np.all(outputs[0, 2:] == 0)
    assert np.all(outputs[1] == 0)


@pytest.mark.parametrize("name", list(OPTIONS))
def test_property_12_no_implicit_mask(models, name):
    model, weights, _ = models[name]
    model.set_weights(weights)
    batch = {"signal": signal(2, 4), "lengths": tf.constant([4, 2])}
    expected = model(batch)
    seen = []
    calls = {layer: layer.call for layer in model.layers}
    try:
        for layer in model.layers:
            layer.call = stripped(layer.call, seen)
        np.testing.assert_array_equal(model(batch), expected)
    finally:
        for layer, call in calls.items():
            layer.call = call
    assert seen
    assert not any(seen)
    assert getattr(expected, "_keras_mask", None) is None
    assert all(getattr(t, "_keras_mask", None) is None for t in symbolic_tensors(model))


def stripped(call, seen):
    """Notes masks on tensors that enter a layer, and takes them off."""

    def run(*args, **kwargs):
        for tensor in keras.tree.flatten((args, kwargs)):
            seen.append(getattr(tensor, "_keras_mask", None) is not None)
            if seen[-1]:
                del tensor._keras_mask
        assert kwargs.get("mask") is None
        return call(*args, **kwargs)

    return run


def symbolic_tensors(model):
    return [t for layer in model.layers for t in keras.tree.flatten(layer.output)]


@pytest.mark.parametrize("in_graph", [False, True])
@pytest.mark.parametrize("name", list(OPTIONS))
def test_a_batch_without_records(models, name, in_graph):
    model, weights, _ = models[name]
    model.set_weights(weights)

    def step(x, lengths):
        with tf.GradientTape() as tape:
            outputs = model({"signal": x, "lengths": lengths}, training=True)
            loss = tf.reduce_sum(outputs)
        return outputs, tape.gradient(loss, model.trainable_variables)

    run = tf.function(step) if in_graph else step
    outputs, gradients = run(signal(2, 3), tf.zeros([2], tf.int32))
    assert outputs.shape == ((2, 3, 2) if name == "published" else (2, 2))
    assert np.all(outputs == 0)
    assert all(np.all(g == 0) for g in gradients)
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("cell", ["gru", "none"])
def test_record_pooling_with_and_without_recurrence(pooling, cell):
    model = small(PER_RECORD, record_pooling=pooling, rnn_cell=cell)
    assert model({"signal": signal(3, 4), "lengths": tf.constant([4, 0, 1])}).shape == (3, 2)


@pytest.mark.parametrize(
    ("step_shape", "options"),
    [
        ((12,), {"conv_filters": (), "conv_strides": ()}),
        ((), {"conv_filters": (), "conv_strides": (), "step_dense_units": (6,)}),
        ((20,), {}),
        ((12,), {"conv_filters": (), "conv_strides": (), "temporal_filters": (4,)}),
        ((4, 5, 2), {"conv_filters": (), "conv_strides": ()}),
    ],
)
def test_shapes_of_a_step(step_shape, options):
    model = small(spec=InputSpec("signal", "int16", step_shape), **options)
    x = tf.ones((2, 3, *step_shape), tf.int16)
    assert model({"signal": x, "lengths": tf.constant([3, 1])}).shape == (2, 3, 2)


def test_values_have_one_unit_each():
    label = LabelSpec("record", "value", "float32", (2, 3))
    assert small(label).output.shape == (None, 6)
    assert small(LabelSpec("step", "value", "float32", ())).output.shape == (None, None, 1)


def test_training_split_statistics_enter():
    statistics = Statistics([1.0, 2.0], [3.0, 4.0], [0.0, 0.0], [9.0, 9.0], 100)
    model = small(normalization="training_split", statistics=statistics)
    assert model.get_layer("normalize").mean == [1.0, 2.0]
    # Without a channel axis the samples' statistics are pooled: variance within plus between.
    one_channel = InputSpec("signal", "float32", (20,))
    pooled = Statistics([0.0, 2.0] * 10, [1.0] * 20, [0.0] * 20, [1.0] * 20, 100)
    model = small(spec=one_channel, normalization="training_split", statistics=pooled)
    assert model.get_layer("normalize").mean == [1.0]
    assert model.get_layer("normalize").deviation == [pytest.approx(2**0.5)]


def test_mixed_precision_gives_float32_logits():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = small()
    finally:
        keras.config.set_dtype_policy("float32")
    outputs = model({"signal": signal(2, 4), "lengths": tf.constant([4, 1])}, training=True)
    assert outputs.dtype == tf.float32
    assert model.get_layer("rnn_0").compute_dtype == "bfloat16"


def test_mixed_precision_normalizes_before_it_rounds():
    statistics = Statistics([1000.0] * 2, [1.0] * 2, [0.0] * 2, [1.0] * 2, 100)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = small(normalization="training_split", statistics=statistics)
    finally:
        keras.config.set_dtype_policy("float32")
    x = signal(2, 4)
    normalize = keras.Model(model.inputs, model.get_layer("normalize").output)
    found = normalize({"signal": x + 1000, "lengths": tf.constant([4, 4])})
    np.testing.assert_allclose(tf.cast(found, tf.float32), tf.reshape(x, [8, 20, 2]), atol=0.01)


def test_save_and_load(tmp_path):
    label, options = OPTIONS["everything"]
    model = randomized(small(label, **options))
    batch = {"signal": signal(2, 4), "lengths": tf.constant([4, 2])}
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(batch), model(batch))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"conv_kernel_samples": 12},
            ValueError,
            r"Convolution 2 of 2 .* 5 samples .20 in a step., its kernel 12. Lower conv_",
        ),
        ({"spec": InputSpec("signal", "float32", (3,))}, ValueError, "fewer conv_filters"),
        ({"spec": InputSpec("signal", "float32", ())}, ValueError, "Set conv_filters to nothing"),
        ({"spec": InputSpec("frames", "uint8", (8, 8, 3))}, DatasetError, "use --model=frames"),
        ({"normalization": "training_split"}, DatasetError, "manifest lacks"),
        ({"rnn_cell": "rwkv"}, ValueError, "'rwkv' is none of gru, lstm, none"),
        ({"conv_strides": (2,)}, ValueError, "one stride per convolution"),
        ({"label": LabelSpec("sequence", "value", "float32", (5,))}, ValueError, "per sequence"),
    ],
)
def test_errors_say_what_to_change(arguments, error, message):
    with pytest.raises(error, match=message):
        small(**arguments)

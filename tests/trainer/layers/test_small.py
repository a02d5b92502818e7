"""Dropout, normalization of features, pooling over a record; configurations that Keras derives."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer import layers

LENGTHS = [3, 0, 1, 5]


def steps():
    return np.random.default_rng(2).normal(size=(4, 6, 3)).astype("float32") - 3.0


def test_dropout_of_the_first_replica_is_the_stock_dropout():
    mine, stock = layers.Dropout(0.4, seed=7), keras.layers.Dropout(0.4, seed=7)
    x = np.ones((50, 3), "float32")
    for _ in range(2):
        np.testing.assert_array_equal(mine(x, training=True), stock(x, training=True))
    np.testing.assert_array_equal(mine(x), x)
    assert np.all(layers.Dropout(1.0)(x, training=True) == 0)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("kind", ["LayerNormalization", "Dropout"])
def test_gradients_and_outputs_are_those_of_the_stock_layer(kind, policy):
    rng = np.random.default_rng(0)
    given = {"LayerNormalization": {}, "Dropout": {"rate": 0.4, "seed": 3}}[kind]
    x = tf.constant(5 + 3 * rng.normal(size=(7, 6)), "bfloat16" if "16" in policy else "float32")
    weights = [rng.normal(size=6), rng.normal(size=6)] if kind == "LayerNormalization" else []
    found = []
    for room in (layers, keras.layers):
        layer = getattr(room, kind)(**given, dtype=policy)
        layer.build(x.shape)
        layer.set_weights([*weights, *layer.get_weights()[len(weights) :]])

        @tf.function(input_signature=[tf.TensorSpec([None, 6], x.dtype)])
        def gradients(x, layer=layer):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x, training=True)
                loss = tf.reduce_sum(tf.cast(y, tf.float32) ** 2)
            of = [x, *(v.value for v in layer.trainable_variables)]
            return y, *tape.gradient(loss, of)

        found.append([tf.cast(value, tf.float32).numpy() for value in gradients(x)])
        assert not np.any(layer(x[:0], training=True))
    tolerance = 0.05 if "16" in policy else 1e-5
    for mine, stock in zip(*found, strict=True):
        np.testing.assert_allclose(mine, stock, rtol=tolerance, atol=20 * tolerance)


_HALF = {"dtype": "mixed_bfloat16"}
_WITH_BIAS = {
    "Dense": lambda: layers.Dense(2, **_HALF),
    "TemporalConvolution": lambda: layers.TemporalConvolution(2, 3, **_HALF),
    "Conv1D": lambda: layers.Conv1D(2, 3, **_HALF),
    "strided": lambda: layers.Conv1D(2, 3, strides=3, **_HALF),
    "Conv2D": lambda: layers.Conv2D(2, 3, **_HALF),
}


@pytest.mark.parametrize("kind", _WITH_BIAS)
def test_a_bias_learns_from_every_row_in_half_precision(kind):
    layer, sides = _WITH_BIAS[kind](), {"Conv1D": 1, "strided": 1, "Conv2D": 2}.get(kind, 0)
    rows = tf.ones([3000, *[3] * sides, 4], "bfloat16")
    given = [rows, tf.constant([1000, 2000])] if kind == "TemporalConvolution" else [rows]
    layer(*given)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(tf.cast(layer(*given), tf.float32))
    (bias,) = [v for v in layer.trainable_variables if "bias" in v.path]
    np.testing.assert_allclose(tape.gradient(total, bias.value), 3000, rtol=0.01)


def test_features_of_other_axes_are_refused():
    with pytest.raises(ValueError, match=r"needs packed rows, axis=-1.*got \[None, 4, 3\]"):
        layers.LayerNormalization()(keras.Input((4, 3)))


def test_dropout_resumes_from_its_variable():
    x = np.ones((50, 3), "float32")
    mine, resumed = layers.Dropout(0.4, seed=7), layers.Dropout(0.4, seed=8)
    mine(x, training=True)
    resumed.seed_generator.state.assign(mine.seed_generator.state)
    np.testing.assert_array_equal(resumed(x, training=True), mine(x, training=True))


def test_dropout_noise_shape():
    outputs = layers.Dropout(0.5, noise_shape=(None, 1), seed=1)(np.ones((40, 3)), training=True)
    assert np.all(np.ptp(outputs, axis=1) == 0)
    assert 0 < np.count_nonzero(outputs) < 120


@pytest.mark.parametrize("in_graph", [False, True])
@pytest.mark.parametrize(
    ("kind", "reference"),
    [("last", lambda x: x[-1]), ("mean", lambda x: x.mean(0)), ("max", lambda x: x.max(0))],
)
def test_record_pooling(kind, reference, in_graph):
    x, lengths = steps(), tf.constant(LENGTHS)
    layer = layers.RecordPooling(kind)
    outputs = (tf.function(layer) if in_graph else layer)(layers.pack_steps(x, lengths), lengths)
    expected = [reference(x[r, :n]) if n else np.zeros(3) for r, n in enumerate(LENGTHS)]
    np.testing.assert_allclose(outputs, expected, atol=1e-6)
    nothing = layer(tf.zeros([0, 3]), tf.zeros([2], tf.int32))
    np.testing.assert_array_equal(nothing, np.zeros((2, 3)))


def test_record_pooling_names_its_choices():
    with pytest.raises(ValueError, match="got 'median'"):
        layers.RecordPooling("median")


@pytest.mark.parametrize("in_graph", [False, True])
def test_sums_of_rows_and_of_none(in_graph):
    layer = layers.Add()
    call = tf.function(layer, reduce_retracing=True) if in_graph else layer
    for rows in (3, 1, 0):
        x = tf.ones([rows, 4])
        np.testing.assert_array_equal(call([x, 2 * x]), np.full((rows, 4), 3.0))


@pytest.mark.parametrize("of_classes", [True, False])
def test_the_mean_of_members(of_classes):
    members = np.random.default_rng(0).normal(size=(3, 2, 4)).astype("float32") * 30
    found = layers.MemberMean(of_classes)([*members])
    if of_classes:
        shares = np.exp(members.astype("float64"))
        shares /= shares.sum(-1, keepdims=True)
        np.testing.assert_allclose(tf.nn.softmax(found), shares.mean(0), atol=1e-6)
        np.testing.assert_allclose(tf.reduce_logsumexp(found, -1), 0, atol=1e-5)
    else:
        np.testing.assert_allclose(found, members.mean(0), rtol=1e-5)


def test_a_pool_of_a_file_of_before_is_the_same():
    pool = layers.Pool.from_config({"share": 0.3, "of_classes": True, "name": "pool"})
    assert (pool.share, pool.name) == (0.3, "pool")


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_pool_of_classes_is_the_product_of_powers_and_of_values_the_mean(share):
    first, second = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32") * 9
    powers = np.exp(first.astype("float64") * (1 - share) + second * share)
    found = layers.Pool(share)([first, second])
    of_classes = powers / powers.sum(-1, keepdims=True)
    np.testing.assert_allclose(tf.nn.softmax(found), of_classes, rtol=1e-4, atol=1e-7)
    mean = (1 - share) * first + share * second
    np.testing.assert_allclose(found, mean, rtol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(
    "layer_class",
    [
        lambda **of: layers.RecordPooling("max", **of),
        lambda **of: layers.Pool(0.3, **of),
        lambda **of: layers.FeaturesTogether(3, **of),
        lambda **of: layers.SplitFeatures([(2, 3), (4,)], **of),
        lambda **of: layers.FeedbackDecoder(3, (4, 5), "gru", residual=True, seed=2, **of),
    ],
)
def test_a_derived_configuration_brings_back_the_layer(layer_class, policy):
    layer = layer_class(dtype=policy, name="some_layer")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
    assert again.dtype_policy == layer.dtype_policy
    own = {"kind", "features", "shapes", "units", "cell", "residual", "seed", "share"}
    assert own & {*layer.get_config()}
    for name in own & {*vars(layer)}:
        assert getattr(again, name) == getattr(layer, name)

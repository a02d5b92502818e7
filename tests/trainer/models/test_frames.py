import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.datasets import CLASS_PER_RECORD, VALUE_PER_RECORD, VALUE_PER_STEP
from tests.trainer import frame_models
from tests.trainer.frame_models import (
    FRAME_SHAPE,
    INPUT,
    SMALL_HEAD,
    assert_padded_frames_change_nothing,
    random_frames,
)
from tfrecords_schema import DatasetError, InputSpec, LabelSpec
from tfrecords_schema.errors import UserError
from trainer.layers.frozen import Frozen
from trainer.models.frames import FrameModelOptions, build_frame_model
from trainer.models.parts import backbones
from trainer.models.signal import SignalModelOptions

_LENGTHS = np.array([3, 0, 1], np.int32)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return frame_models.write_backbone_weights(
        tmp_path_factory.mktemp("weights") / "mobilenet.weights.h5"
    )


@functools.cache
def _small(weights, label=VALUE_PER_RECORD):
    return build_frame_model(frame_models.mobilenet_options(weights), SMALL_HEAD, INPUT, label)


def _trainable(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def test_dashcam_model_has_the_parameters_of_its_source():
    head = SignalModelOptions(
        conv_filters=(), conv_strides=(), rnn_cell="lstm", rnn_units=(256,), rnn_activation="relu",
        rnn_l2=0.0, dropout=0.0, batch_normalization=False, dense_units=(64,), dense_dropout=0.5,
    )  # fmt: skip
    options = FrameModelOptions(backbone="InceptionResNetV2", trainable_backbone_layers=4)
    model = build_frame_model(options, head, InputSpec("frames", "uint8", (180, 320, 3)),
                              LabelSpec("record", "value", "float32", (2,)))  # fmt: skip
    assert model.full.count_params() == 104_948_130
    assert _trainable(model.full) == 53_807_810
    # Beyond the last frozen weights only the sum of a residual connection is fixed: 4 x 8 x 2080.
    assert model.features.output.shape == (None, 4 * 8 * 2080)


def test_image_sequence_classifier_has_the_parameters_of_its_source():
    head = SignalModelOptions(
        conv_filters=(), conv_strides=(), rnn_cell="lstm", rnn_units=(10,), rnn_activation="tanh",
        rnn_l2=0.0, dropout=0.0, batch_normalization=False,
    )  # fmt: skip
    frames = InputSpec("frames", "uint8", (224, 224, 3))
    model = build_frame_model(FrameModelOptions(), head, frames, CLASS_PER_RECORD).full
    steps = 111 * 111 * 64
    assert model.count_params() == 1_792 + 4 * 10 * (steps + 10 + 1) + 33
    assert _trainable(model) == model.count_params()


def test_single_image_classifier_reads_the_rows_of_its_map():
    head = SignalModelOptions(
        conv_filters=(), conv_strides=(), rnn_cell="none", dropout=0.0, batch_normalization=False,
        dense_units=(50,),
    )  # fmt: skip
    options = FrameModelOptions(
        frame_conv_filters=(4, 6), frame_conv_activation="relu", frame_dropout=0.25,
        frame_pooling="rows", frame_rnn_units=5,
    )  # fmt: skip
    model = build_frame_model(options, head, INPUT, CLASS_PER_RECORD).full
    columns = (32 - 2 - 2) // 2
    assert model.count_params() == (
        (4 * 27 + 4) + (6 * 36 + 6) + 4 * 5 * (columns * 6 + 5 + 1) + 6 * 50 + 51 * 3
    )
    image = random_frames((2, 1, *FRAME_SHAPE))
    lengths = np.array([1, 0], np.int32)
    outputs = model({"frames": image, "lengths": lengths}).numpy()
    assert outputs.shape == (2, 3)
    assert np.any(outputs[0])
    np.testing.assert_array_equal(outputs[1], 0)


@pytest.mark.parametrize("trainable", [0, 20, 1000])
def test_features_are_those_of_the_stock_network(weights, trainable):
    # Cut anywhere, through residual connections too, the parts together are the whole.
    head = SignalModelOptions(conv_filters=(), conv_strides=(), rnn_cell="none",
                              batch_normalization=False)  # fmt: skip
    options = frame_models.mobilenet_options(weights, trainable)
    model = build_frame_model(options, head, INPUT, VALUE_PER_STEP).full
    frames = random_frames((2, 2, *FRAME_SHAPE), seed=3)
    found = model({"frames": frames, "lengths": np.array([2, 1], np.int32)}).numpy()
    kernel, bias = (v.numpy() for v in model.trainable_variables[-2:])
    stock = keras.applications.MobileNetV2(
        include_top=False, weights=None, input_shape=FRAME_SHAPE, pooling="avg"
    )
    stock.load_weights(str(weights))
    vectors = stock(frames.reshape(-1, *FRAME_SHAPE).astype(np.float32) / 127.5 - 1).numpy()
    expected = (vectors @ kernel + bias).reshape(2, 2, 2)
    assert np.std(expected) > 0.01
    np.testing.assert_allclose(found[0], expected[0], atol=1e-4)
    np.testing.assert_allclose(found[1, 0], expected[1, 0], atol=1e-4)
    np.testing.assert_array_equal(found[1, 1], 0)


@pytest.mark.parametrize("label", [VALUE_PER_RECORD, VALUE_PER_STEP], ids=["record", "step"])
def test_property_08_padded_frames_change_no_output_statistic_or_gradient(weights, label):
    assert_padded_frames_change_nothing(_small(weights, label).full, _LENGTHS, FRAME_SHAPE, 1e-5)


def test_frozen_layers_stay_in_inference_mode_in_training(weights):
    model = _small(weights)
    before = {v.path: v.numpy() for v in model.features.variables}
    frames = random_frames((3, 3, *FRAME_SHAPE))
    trained = model.features(frames[0], training=True).numpy()
    np.testing.assert_array_equal(trained, model.features(frames[0], training=False).numpy())
    tail_mean = next(v for v in model.full.variables if v.path.endswith("Conv_1_bn/moving_mean"))
    tail_before = tail_mean.numpy()
    model.full({"frames": frames, "lengths": _LENGTHS}, training=True)
    for variable in model.features.variables:
        np.testing.assert_array_equal(variable.numpy(), before[variable.path])
    assert np.any(tail_mean.numpy() != tail_before)


def test_a_frozen_network_drops_nothing_inside_a_model_in_training():
    # A functional model overwrites the `training=False` of the models within.
    rows = keras.Input((4,))
    network = keras.Model(rows, keras.layers.Dropout(0.5)(rows))
    outer = keras.Model(rows, Frozen(network)(rows))
    values = np.ones((8, 4), np.float32)
    np.testing.assert_array_equal(outer(values, training=True), values)


def test_both_ways_into_the_model_share_its_variables(weights):
    model = _small(weights)
    names = [[v.path for v in m.trainable_variables] for m in (model.full, model.from_features)]
    assert names[0] == names[1]
    frames = random_frames((3, 3, *FRAME_SHAPE))
    signal = np.stack([model.features(row).numpy() for row in frames])
    np.testing.assert_allclose(
        model.from_features({"signal": signal, "lengths": _LENGTHS}),
        model.full({"frames": frames, "lengths": _LENGTHS}),
        atol=1e-6,
    )


def test_a_replica_without_a_frame_gets_zeros_and_finite_gradients(weights):
    model = _small(weights).full
    averages = [v.numpy() for v in model.non_trainable_variables if "moving" in v.path]

    @tf.function
    def step(frames, lengths):
        with tf.GradientTape() as tape:
            outputs = model({"frames": frames, "lengths": lengths}, training=True)
            loss = tf.reduce_sum(outputs)
        return outputs, tape.gradient(loss, [v.value for v in model.trainable_variables])

    outputs, gradients = step(random_frames((1, 2, *FRAME_SHAPE)), np.zeros(1, np.int32))
    np.testing.assert_array_equal(outputs, 0)
    for gradient in gradients:
        np.testing.assert_array_equal(gradient, 0)
    after = [v.numpy() for v in model.non_trainable_variables if "moving" in v.path]
    for first, second in zip(averages, after, strict=True):
        np.testing.assert_array_equal(first, second)


def test_signals_are_refused():
    with pytest.raises(DatasetError, match="needs frames, the dataset has signal"):
        build_frame_model(
            FrameModelOptions(), SMALL_HEAD, InputSpec("signal", "float32", (3,)), VALUE_PER_RECORD
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frame_pool": 31}, r"of 32 pixels: they leave 30, and --frame_pool=31 needs as many"),
        ({"frame_conv_kernel": 33}, "they leave 0, and --frame_pool=2 .*Lower --frame_pool or"),
        ({"frame_conv_filters": (4,) * 16}, "they leave 0, .*fewer --frame_conv_filters"),
    ],
)
def test_frames_too_small_for_the_convolutions_are_refused(options, message):
    spec = InputSpec("frames", "uint8", FRAME_SHAPE)
    with pytest.raises(UserError, match=message):
        build_frame_model(FrameModelOptions(**options), SMALL_HEAD, spec, VALUE_PER_RECORD)


@pytest.mark.parametrize(
    ("name", "weights_name", "shape", "message"),
    [
        ("MobileNetV9", "none", FRAME_SHAPE, "MobileNetV9: expected conv, or .*MobileNetV2"),
        ("MobileNetV2", "nowhere.h5", FRAME_SHAPE, "nowhere.h5: no such file"),
        ("InceptionResNetV2", "none", FRAME_SHAPE, r"cannot be built for frames of \[32, 32, 3\]"),
    ],
)
def test_a_backbone_that_cannot_be_built_is_refused(name, weights_name, shape, message):
    with pytest.raises(ValueError, match=message):
        backbones.load_backbone(name, weights_name, shape)


def test_weights_of_another_network_are_refused(tmp_path):
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    other.save_weights(str(tmp_path / "other.weights.h5"))
    with pytest.raises(ValueError, match="cannot be loaded into MobileNetV2"):
        backbones.load_backbone("MobileNetV2", str(tmp_path / "other.weights.h5"), FRAME_SHAPE)


def test_a_failed_download_says_what_to_give_instead(monkeypatch):
    def offline(**_):
        raise Exception("URL fetch failure on https://somewhere: None -- no route")  # as Keras does

    monkeypatch.setattr(keras.applications.mobilenet_v2, "MobileNetV2", offline)
    with pytest.raises(ValueError, match=r"cannot be downloaded here .*--backbone_weights=PATH"):
        backbones.load_backbone("MobileNetV2", "imagenet", FRAME_SHAPE)

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.datasets import (
    CLASS_PER_RECORD,
    CLASS_PER_STEP,
    VALUE_PER_RECORD,
    VALUE_PER_STEP,
    VALUE_SEQUENCE,
)
from tests.trainer.frame_models import assert_padded_frames_change_nothing, random_frames
from tfrecords_schema import InputSpec, LabelSpec, Statistics
from tfrecords_schema.errors import UserError
from trainer.models.family import ChosenModel, DataSpec
from trainer.models.video import Video, VideoOptions

_SHAPE = (18, 25, 3)
_LENGTHS = np.array([3, 0, 1, 2], np.int32)
_LABELS = pytest.mark.parametrize(
    "label",
    [VALUE_PER_RECORD, VALUE_PER_STEP, CLASS_PER_RECORD, CLASS_PER_STEP],
    ids=lambda label: f"{label.kind}_per_{label.per}",
)


def _built(label=VALUE_PER_RECORD, shape=_SHAPE, **options):
    small = {"video_pixels": 12, "video_filters": (3, 4), "video_grid": 2, "time_filters": 4}
    spec = DataSpec(InputSpec("frames", "uint8", shape), label, None)
    return Video().build(spec, VideoOptions(**{**small, **options}))


def _frames(batch=4, time=3, seed=0):
    return random_frames((batch, time, *_SHAPE), seed)


@_LABELS
def test_shapes_of_outputs(label):
    model = _built(label, ensemble=2, video_dropout=0.5).full
    units = 2 if label.kind == "value" else 3
    time = () if label.per == "record" else (None,)
    assert model.output.shape == (None, *time, units)


def test_a_rule_of_frames_and_numbers_together_is_learnt():
    """The class is whether one of both, a bright picture and a large number, is there alone."""
    spec = InputSpec("frames", "uint8", (4, 4, 3), beside=("a", "b"))
    statistics = Statistics((10.0, 0.0), (5.0, 1.0), (0.0, -9.0), (20.0, 9.0), 99)
    options = VideoOptions(video_filters=(4,), video_grid=1, time_filters=8)
    keras.utils.set_random_seed(0)
    label = LabelSpec("record", "class", class_names=("same", "other"))
    model = Video().build(DataSpec(spec, label, statistics), options).full
    optimizer = keras.optimizers.Adam(0.02)
    optimizer.build(model.trainable_variables)

    def made(seed, records=64):
        rng = np.random.default_rng(seed)
        bright, large = rng.integers(0, 2, (2, records))
        frames = (
            rng.integers(0, 128, (records, 3, 4, 4, 3)) + 120 * bright[:, None, None, None, None]
        )
        beside = rng.normal([10, 0], [2, 1], (records, 3, 2))
        beside[..., 0] += 10 * large[:, None] - 5
        inputs = {"frames": frames.astype(np.uint8), "beside": beside.astype(np.float32)}
        return {**inputs, "lengths": rng.integers(1, 4, records, np.int32)}, bright ^ large

    @tf.function
    def step(inputs, truth):
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                truth, model(inputs, training=True)
            )
            loss = tf.reduce_mean(losses)
        variables = [variable.value for variable in model.trainable_variables]
        optimizer.apply(tape.gradient(loss, variables), model.trainable_variables)

    inputs, truth = made(0)
    for _ in range(80):
        step(inputs, truth)
    inputs, truth = made(1)
    right = [model(given).numpy().argmax(-1) == truth for given in (
        inputs,
        {**inputs, "frames": np.roll(inputs["frames"], 1, 0)},
        {**inputs, "beside": np.roll(inputs["beside"], 1, 0)},
    )]  # fmt: skip
    together, *alone = (each.mean() for each in right)
    assert together > 0.95
    assert max(alone) < 0.75


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 60, 3), (120, 160, 3)])
def test_frames_of_any_size(shape):
    model = _built(shape=shape).full
    frames = random_frames((2, 2, *shape))
    assert np.isfinite(model({"frames": frames, "lengths": np.array([2, 1], np.int32)})).all()


@_LABELS
def test_padded_frames_change_no_output_statistic_or_gradient(label):
    assert_padded_frames_change_nothing(_built(label).full, _LENGTHS, _SHAPE, 1e-4)


@_LABELS
def test_a_record_alone_equals_the_record_in_a_batch(label):
    model = _built(label).full
    frames = _frames()
    found = tf.function(model)({"frames": frames, "lengths": _LENGTHS}).numpy()
    for row, length in enumerate(_LENGTHS):
        one = slice(row, row + 1)
        alone = model({"frames": frames[one, : max(length, 1)], "lengths": _LENGTHS[one]}).numpy()
        expected = found[row] if label.per == "record" else found[row, : max(length, 1)]
        np.testing.assert_allclose(alone[0], expected, atol=1e-5)
        if label.per == "step":
            np.testing.assert_array_equal(found[row, length:], 0)
    np.testing.assert_array_equal(found[1], 0)


def test_a_frame_sees_its_neighbours_but_no_other_record():
    keras.utils.set_random_seed(1)  # Of so few filters all may be 0 at a frame.
    model = _built(VALUE_PER_STEP).full
    frames, lengths = _frames(2, 4), np.array([4, 4], np.int32)
    before = model({"frames": frames, "lengths": lengths}).numpy()
    frames[0, 3] ^= 255
    after = model({"frames": frames, "lengths": lengths}).numpy()
    np.testing.assert_allclose(after[0, :2], before[0, :2], atol=1e-6)
    np.testing.assert_allclose(after[1], before[1], atol=1e-6)
    assert np.abs(after[0, 2:] - before[0, 2:]).min() > 0


def test_a_replica_without_a_frame_gets_zeros_and_leaves_all_as_it_is():
    built = _built(ensemble=2)
    averages = [v.numpy() for v in built.full.non_trainable_variables if "moving" in v.path]

    @tf.function
    def step(frames, lengths):
        with tf.GradientTape() as tape:
            outputs = built.members({"frames": frames, "lengths": lengths}, training=True)
            loss = tf.add_n([tf.reduce_sum(each) for each in outputs])
        return outputs, tape.gradient(loss, [v.value for v in built.full.trainable_variables])

    outputs, gradients = step(_frames(1), np.zeros(1, np.int32))
    for each in (*outputs, *gradients):
        np.testing.assert_array_equal(each, 0)
    after = [v.numpy() for v in built.full.non_trainable_variables if "moving" in v.path]
    assert averages
    for first, second in zip(averages, after, strict=True):
        np.testing.assert_array_equal(first, second)


def test_the_mean_of_the_networks_is_what_is_predicted():
    built = _built(CLASS_PER_RECORD, ensemble=3)
    inputs = {"frames": _frames(), "lengths": np.array([3, 3, 1, 2], np.int32)}
    mean, *members = (tf.nn.softmax(each).numpy() for each in built.members(inputs))
    np.testing.assert_allclose(mean, np.mean(members, axis=0), atol=1e-6)
    assert np.abs(members[0] - members[1]).max() > 1e-3
    assert sum(v.path.endswith("head/bias") for v in built.full.trainable_variables) == 3


@pytest.mark.parametrize(
    ("spec", "label"),
    [
        (InputSpec("signal", "float32", (3,)), VALUE_PER_RECORD),
        (InputSpec("frames", "uint8", _SHAPE), VALUE_SEQUENCE),
    ],
    ids=["signal", "sequence"],
)
def test_what_it_does_not_suit_is_refused(spec, label):
    message = "--model=video is for frames with labels per step or record; the dataset has "
    with pytest.raises(UserError, match=message + spec.kind):
        ChosenModel(Video(), (VideoOptions(),)).build(DataSpec(spec, label, None))

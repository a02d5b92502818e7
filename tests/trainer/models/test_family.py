"""What every family must hold to, whichever it is."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.datasets import CLASS_PER_RECORD, CLASS_PER_STEP, VALUE_PER_STEP, VALUE_SEQUENCE
from tfrecords_schema import InputSpec
from tfrecords_schema.errors import UserError
from trainer.models.family import ChosenModel, DataSpec, Family, families
from trainer.models.parts.network import NetworkOptions
from trainer.models.signal import SignalModelOptions

_FRAMES = InputSpec("frames", "uint8", (16, 16, 3))
_BESIDE = InputSpec("frames", "uint8", (16, 16, 3), beside=("speed", "age"))
_LENGTHS = np.array([3, 1, 5], np.int32)
_PUBLISHED = 700  # Samples of a step that the kernels of the published model need.
_SAMPLES = 100
# Where the defaults of all families are not for one of them, or only repeat its blocks.
_OPTIONS = {
    ("conformer", NetworkOptions): lambda: NetworkOptions(depth=2),
    ("inception_time", NetworkOptions): lambda: NetworkOptions(depth=3),
    ("tcn", NetworkOptions): lambda: NetworkOptions(depth=4),
    ("forecaster", SignalModelOptions): lambda: SignalModelOptions(rnn_units=(8, 8)),
}


class _Fixed(Family):
    """Outputs of given shapes, whatever the label."""

    def __init__(self, *shapes):
        self._shapes = shapes

    def build(self, data, *options):
        inputs = [keras.Input(shape) for shape in self._shapes]
        return keras.Model(inputs, [keras.layers.Identity()(x) for x in inputs])


def _build(label, *shapes):
    data = DataSpec(InputSpec("signal", "float32", (4,)), label, None)
    return ChosenModel(_Fixed(*shapes), ()).build(data)


@pytest.mark.parametrize(
    ("label", "shape"),
    [(CLASS_PER_STEP, (None, 3)), (CLASS_PER_RECORD, (3,)), (VALUE_PER_STEP, (7, 2))],
)
def test_outputs_that_the_label_needs_are_taken(label, shape):
    assert _build(label, shape).full.outputs[0].shape == (None, *shape)


@pytest.mark.parametrize(
    ("label", "shapes", "message"),
    [
        (
            CLASS_PER_RECORD,
            [(None, 3)],
            "[None, None, 3], expected [batch, 3], as the label is one",
        ),
        (CLASS_PER_STEP, [(3,)], "gives [None, 3], expected [batch, time, 3], as the label is one"),
        (CLASS_PER_STEP, [(None, 4)], "of 3 classes per step; use another --model, or mend its"),
        (VALUE_PER_STEP, [(None, 2, 1)], "[None, None, 2, 1], expected [batch, time, 2]"),
        (
            CLASS_PER_RECORD,
            [(3,), (3,)],
            "--model=test_family gives [None, 3], [None, 3], expected",
        ),
    ],
)
def test_other_outputs_are_refused(label, shapes, message):
    with pytest.raises(UserError, match=re.escape(message)):
        _build(label, *shapes)


def _models(name):
    """The family with its default options, for each input and label that it says it is for."""
    family = families()[name]
    chosen = ChosenModel(family, tuple(_OPTIONS.get((name, k), k)() for k in family.options))
    samples = _PUBLISHED if SignalModelOptions in family.options else _SAMPLES
    beside = (_BESIDE,) if family.joins_beside else ()
    for spec in (InputSpec("signal", "float32", (samples,)), _FRAMES, *beside):
        for label in (CLASS_PER_STEP, CLASS_PER_RECORD, VALUE_SEQUENCE):
            if spec.kind in family.inputs and label.per in family.labels:
                own = chosen.label(spec, label)
                yield spec, own, chosen.build(DataSpec(spec, own, None)).full


@pytest.mark.parametrize("name", families())
def test_property_08_a_record_gives_the_same_alone_and_padded_beside_others(name):
    keras.utils.set_random_seed(0)
    models = [*_models(name)]
    assert models, "a family must say by its inputs and labels what it is for"
    for spec, label, model in models:
        values = np.random.default_rng(0).integers(0, 256, (3, 7, *spec.step_shape))
        given = {spec.kind: values.astype(spec.dtype)}
        given |= dict.fromkeys(("lengths", "label_lengths"), _LENGTHS)
        given["label"] = np.zeros((3, 7, *spec.step_shape), np.float32)  # Of a forecast's training.
        given["beside"] = np.random.default_rng(1).normal(size=(3, 7, 2)).astype(np.float32)
        inputs = {part.name: given[part.name] for part in model.inputs}
        call = tf.function(model, reduce_retracing=True)  # Recurrences over hundreds of samples.
        together = call(inputs).numpy()
        for row, length in enumerate(_LENGTHS):
            own = {key: value[row : row + 1] for key, value in inputs.items()}
            own |= {part: own[part][:, :length] for part in (spec.kind, "beside") if part in own}
            kept = slice(None) if label.per == "record" else slice(length)
            alone, expected = call(own).numpy()[0][kept], together[row][kept]
            np.testing.assert_allclose(alone, expected, rtol=1e-3, atol=1e-3 * np.abs(alone).max())

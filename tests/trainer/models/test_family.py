"""What every family must hold to, whichever it is."""

import re

import keras
import pytest

from tests.datasets import CLASS_PER_RECORD, CLASS_PER_STEP, VALUE_PER_STEP
from tfrecords_schema import InputSpec
from tfrecords_schema.errors import UserError
from trainer.models.family import ChosenModel, DataSpec, Family


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

"""Random convolutions fitted to labels of any number of classes."""

import numpy as np
import tensorflow as tf

from tfrecords_schema import InputSpec, LabelSpec, Statistics
from trainer.models.family import ChosenModel, DataSpec, families
from trainer.models.parts.front_end import FrontEndOptions
from trainer.models.parts.random_convolutions import RandomConvolutionOptions
from trainer.step.task import Task

_LABEL = LabelSpec("record", "classes", "int8", (3,), ("a", "b", "never"), has_missing=True)
_DATA = DataSpec(
    InputSpec("signal", "float32", (2,)),
    _LABEL,
    Statistics((0.0, 0.0), (1.0, 1.0), (-1.0, -1.0), (1.0, 1.0), 100),
)


def _batch(rng: np.random.Generator, group: int) -> dict[str, tf.Tensor]:
    """Each class is a tone in a channel of its own; one never comes, some are not known."""
    label = rng.integers(0, 2, (8, 3)).astype(np.int8)
    label[:, 2] = 0
    tone = np.sin(np.arange(30) * 0.7)[:, None] * label[:, None, :2]
    signal = (0.3 * rng.normal(size=(8, 30, 2)) + tone).astype(np.float32)
    shown = np.where(rng.random(label.shape) < 0.2, -1, label).astype(np.int8)
    arrays = {
        "signal": signal,
        "lengths": np.full(8, 30, np.int32),
        "label": shown,
        "group": np.arange(8 * group, 8 * group + 8) // 2,
    }
    return {name: tf.constant(values) for name, values in arrays.items()}


def test_a_fit_tells_every_class_by_itself_and_states_its_loss():
    options = FrontEndOptions(), RandomConvolutionOptions(kernel_groups=8, dilations=2)
    built = ChosenModel(families()["hydra"], options).build(_DATA)
    rng = np.random.default_rng(0)
    batches, unseen = [_batch(rng, number) for number in range(8)], _batch(rng, 9)
    assert built.fit is not None
    loss = built.fit(batches, 1_000)
    task = Task(_LABEL)
    inputs = {name: unseen[name] for name in ("signal", "lengths")}
    outputs = built.full(inputs)
    assert np.isfinite(outputs).all()
    total, count = task.loss_sum(unseen, outputs).numpy()
    assert loss < 0.5
    assert total / count < 0.5  # Of no model 3 log 2.
    known = unseen["label"].numpy() >= 0
    stated = task.kind.answers(task, task.predictions(outputs), tf.ones(8, bool))["present"]
    np.testing.assert_array_equal(stated.numpy()[known], unseen["label"].numpy()[known])

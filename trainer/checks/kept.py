"""Whether a model comes back from checkpoints and exports as it was."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfrecords_schema.errors import UserError
from tfrecords_schema.names import join
from trainer.checks.finding import Finding, compared
from trainer.models.family import ChosenModel, DataSpec
from trainer.runs.checkpoints import TrainingState, load, save
from trainer.serving.export import KERAS_FILE, SAVED_MODEL, export
from trainer.serving.serving import Serving
from trainer.step.task import Task, inputs_of

_CURE = (
    "give layers of your own get_config() with all arguments of their constructor, and "
    '@keras.saving.register_keras_serializable(package="...")'
)


def weights_finding(
    chosen: ChosenModel, model: keras.Model, data: DataSpec, batch: dict[str, Any]
) -> Finding:
    """A second model of the same options that loads what the first one saved."""
    what = "a checkpoint, loaded into a new model"
    again = chosen.restored().build(data).full
    with tempfile.TemporaryDirectory() as folder:
        place = join(folder, "ckpt-0")
        try:
            save(place, TrainingState(), {"model": model.variables})
            load(place, {"model": again.variables})
        except UserError as error:
            return Finding(what, False, f"{error}; make the same layers, in the same order, always")
    cure = "keep all that an answer depends on in weights (self.add_weight)"
    return compared(what, [(answer(model, batch), answer(again, batch))], cure)


def file_findings(model: keras.Model, task: Task, batch: dict[str, Any]) -> Iterator[Finding]:
    """The two files of `--mode=export`."""
    serving = Serving(model, task)
    inputs = {name: tf.constant(batch[name]) for name in serving.input_specs}
    expected = serving.answer(inputs)
    with tempfile.TemporaryDirectory() as folder:
        try:
            export(serving, folder)
        except UserError as error:
            yield Finding("export", False, str(error))
            return
        served = tf.saved_model.load(join(folder, SAVED_MODEL))
        found = served.signatures["serving_default"](**inputs)
        pairs = [
            (values.numpy(), found[name].numpy())
            for name, values in expected.items()
            if values.dtype.is_floating
        ]
        yield compared("the SavedModel, loaded again", pairs, "mend what depends on Python")
        try:
            loaded = keras.saving.load_model(join(folder, KERAS_FILE))
        except Exception as error:  # Of many kinds: whatever the constructors of layers raise.
            said = " ".join(str(error).split())[:300]
            yield Finding("the .keras file, loaded again", False, f"{said}; {_CURE}")
            return
        pair = (answer(model, batch), answer(loaded, batch))
        yield compared("the .keras file, loaded again", [pair], _CURE)


def answer(model: keras.Model, batch: dict[str, Any]) -> np.ndarray:
    """What a model says of a batch."""
    given = {name: tf.constant(value) for name, value in batch.items()}
    names = [tensor.name for tensor in model.inputs]
    return model(inputs_of(given, names), training=False).numpy()

"""`--mode=export`: a SavedModel that needs TensorFlow alone, and a Keras file."""

import contextlib
import os
import posixpath
import tempfile
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from tfrecords_schema.errors import UserError
from tfrecords_schema.names import join
from tfrecords_schema.places import gfile
from tfrecords_schema.storage import (
    make_folder,
    remove_abandoned,
    replace_tree,
    replacing,
    temporary_path,
)
from trainer.serving.serving import Serving

SAVED_MODEL = "saved_model"
KERAS_FILE = "model.keras"
# A graph holds 2 GiB at most, and is copied several times while it is loaded.
_MOST_CONSTANT_BYTES = 2**28


class ServedModule(tf.Module):
    """What is exported: `serve`, and the names of the classes.

    Attributes:
      serve: `serving_default`; takes the inputs by name, returns what `Serving.answer` does.
      class_names: no arguments; `class_names` [classes] string, empty for values.
    """

    def __init__(self, serving: Serving):
        super().__init__(name="served")
        weights = constant_weights(serving.model)
        self._variables = [] if weights else [v.value for v in serving.model.variables]
        names = list(serving.task.label.class_names)
        specs = list(serving.input_specs.values())

        @tf.function(input_signature=specs, autograph=False)
        def serve(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
            inputs = dict(zip(serving.input_specs, tensors, strict=True))
            with keras.StatelessScope(weights):
                return serving.answer(inputs)

        @tf.function(input_signature=[], autograph=False)
        def class_names() -> dict[str, tf.Tensor]:
            return {"class_names": tf.constant(names, tf.string, [len(names)])}

        self.serve = serve
        self.class_names = class_names


def constant_weights(model: keras.Model) -> list[tuple[keras.Variable, np.ndarray]]:
    """What stands for a model's weights in `keras.StatelessScope`, so that a graph holds them.

    Nothing has to be read and handed over at each call, and what follows from weights alone, such
    as the factors of a normalization, is computed once. Empty where they are too many.
    """
    weights = [(variable, variable.numpy()) for variable in model.variables]
    return weights if sum(x.nbytes for _, x in weights) <= _MOST_CONSTANT_BYTES else []


def export(serving: Serving, folder: str) -> None:
    """Writes `saved_model/` and `model.keras` into a folder; what was there is replaced.

    Each is the old or the new, whole, at any instant: both are written before one is in its place.

    The SavedModel loads with `tf.saved_model.load` where this project is not installed; the Keras
    file gives logits or values, and loads after `import trainer.layers` (with a network of
    `keras.applications` in it, after `import trainer.models.parts.backbones` as well). Logits are
    divided by the task's temperature there.
    """
    make_folder(*posixpath.split(folder))
    remove_abandoned(folder)
    module = ServedModule(serving)
    path = join(folder, SAVED_MODEL)
    written = temporary_path(path)
    signatures = {"serving_default": module.serve, "class_names": module.class_names}
    with replacing(join(folder, KERAS_FILE)) as keras_file:
        with _quiet(), gfile.written_by_tensorflow(written) as place:
            tf.saved_model.save(module, place, signatures)
        _save_keras(_with_temperature(serving), keras_file)
        replace_tree(written, path)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Leaves out what TensorFlow tells of the files it writes."""
    before = logging.get_verbosity(), tf.get_logger().level
    logging.set_verbosity(logging.ERROR)
    tf.get_logger().setLevel("ERROR")
    try:
        yield
    finally:
        logging.set_verbosity(before[0])
        tf.get_logger().setLevel(before[1])


def _with_temperature(serving: Serving) -> keras.Model:
    """The model with its logits divided by the temperature, if there is one."""
    model, temperature = serving.model, serving.task.reading.temperature
    if temperature == 1:
        return model
    divided = keras.layers.Rescaling(1 / temperature, dtype="float32", name="temperature")
    inputs = {tensor.name: tensor for tensor in model.inputs}
    return keras.Model(inputs, divided(model.output), name=model.name)


def _save_keras(model: keras.Model, path: str) -> None:
    # Keras writes zip files to local paths only.
    with tempfile.TemporaryDirectory() as local:
        written = os.path.join(local, KERAS_FILE)
        try:
            model.save(written)
        except (NotImplementedError, TypeError, ValueError) as error:
            raise UserError(
                f"{KERAS_FILE} cannot be written, so nothing was: {' '.join(str(error).split())}; "
                "layers of your own need get_config() with all arguments of their constructor"
            ) from error
        gfile.copy(written, path)

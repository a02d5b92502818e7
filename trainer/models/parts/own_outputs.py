"""What a model of one's own answers: refused where it is not what loss and checkpoints need."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfrecords_schema.errors import UserError
from trainer.models.family import DataSpec
from trainer.models.parts.example import example

_LENGTHS = (7, 4, 1)
_SQUASHING = ("softmax", "sigmoid")


def require_outputs(model: keras.Model, data: DataSpec, name: str) -> None:
    """Calls a model once, on three short recordings, and refuses what would go wrong later.

    Raises:
      UserError: other steps come out than went in, probabilities where logits are expected, what
        is not finite, or it has variables that no checkpoint would hold.
    """
    batch = example(data, _LENGTHS, max(_LENGTHS))
    names = [tensor.name for tensor in model.inputs]
    specs = {tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs}
    call = tf.function(lambda inputs: model(inputs, training=False)).get_concrete_function(specs)
    _require_tracked(model, call, name)
    outputs = call({key: tf.constant(batch[key]) for key in names}).numpy()
    axes = outputs.shape[: 1 if data.label.per == "record" else 2]
    expected = (len(_LENGTHS), max(_LENGTHS))[: len(axes)]
    if axes != expected:
        raise UserError(
            f"--model={name} answers {[*outputs.shape]} to recordings of "
            f"{[*batch[data.input.kind].shape]}, expected {[*expected, data.units]}: one answer "
            f"per {data.label.per}. Layers that stride or shorten change the steps, and so does "
            "keras.layers.TimeDistributed where batch and time are free (Dense and Conv take more "
            "axes by themselves, and Reshape brings them together)"
        )
    valid = np.arange(max(_LENGTHS)) < np.asarray(_LENGTHS)[:, None]
    answers = outputs if data.label.per == "record" else outputs[valid]
    if not np.isfinite(answers).all():
        raise UserError(
            f"--model={name} answers what is not finite to recordings of {_LENGTHS[0]}, "
            f"{_LENGTHS[1]} and {_LENGTHS[2]} steps of normal size; look for a division by the "
            "number of steps, or a logarithm of 0"
        )
    _require_logits(model, answers, data, name)


def _require_tracked(model: keras.Model, call: Any, name: str) -> None:
    if tf.distribute.has_strategy():
        return  # Variables of a graph are those of one replica there.
    known = {id(variable.value) for variable in model.variables}
    lost = [variable.name for variable in call.variables if id(variable) not in known]
    if lost:
        raise UserError(
            f"--model={name} computes with variables that are not the model's: {', '.join(lost)}; "
            "they would neither be trained on replicas nor kept in checkpoints. Make them with "
            "self.add_weight(...) in a layer, and keep layers as attributes of a layer or model"
        )


def _require_logits(model: keras.Model, answers: np.ndarray, data: DataSpec, name: str) -> None:
    if data.label.kind != "class" or data.units < 2:
        return
    last = getattr(model.outputs[0], "_keras_history").operation  # noqa: B009  Keras has no other.
    activation = getattr(getattr(last, "activation", None), "__name__", "")
    adds_up = (answers >= 0).all() and np.allclose(answers.sum(-1), 1, atol=1e-3)
    if adds_up or activation in _SQUASHING:
        found = activation if activation in _SQUASHING else "softmax"
        raise UserError(
            f"--model={name} answers probabilities ({found}), expected logits: the loss takes the "
            "softmax itself, and evaluation and export give probabilities; leave the activation "
            "of the last layer out (for a sigmoid give --class_activation=sigmoid as well)"
        )

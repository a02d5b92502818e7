"""What a model of one's own answers: refused where it is not what loss and checkpoints need."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfrecords_schema.errors import UserError
from trainer.models.family import DataSpec
from trainer.models.parts.example import example, padded_to

_LENGTHS = (7, 4, 1)
_SMALL = 1e-3
_SQUASHING = ("softmax", "sigmoid")


def require_outputs(model: keras.Model, data: DataSpec, name: str) -> None:
    """Calls a model once, on three short recordings, and refuses what would go wrong later.

    Raises:
      UserError: other steps come out than went in, probabilities where logits are expected, what
        is not finite, or it has variables that no checkpoint would hold.
    """
    batch, call = example(data, _LENGTHS, max(_LENGTHS)), _call(model)
    _require_tracked(model, call, name)
    _require_no_penalty(model, name)
    outputs = _answer(model, call, batch)
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


def padding_doubts(model: keras.Model, data: DataSpec, name: str) -> list[str]:
    """What is said of a model whose answers depend on padding; it is trained all the same."""
    batch, call = example(data, _LENGTHS, max(_LENGTHS)), _call(model)
    short = _answer(model, call, batch)
    wide = _answer(model, call, padded_to(max(_LENGTHS) + 4, batch, data))
    if data.label.per == "step":
        valid = np.arange(max(_LENGTHS)) < np.asarray(_LENGTHS)[:, None]
        short, wide = short[valid], wide[:, : max(_LENGTHS)][valid]
    gap, largest = np.abs(short - wide).max(), np.abs(short).max()
    if gap <= _SMALL * largest:
        return []
    return [
        f"what {name} answers depends on padding: with 4 more padded steps it differs by "
        f"{gap:.2g}, of numbers up to {largest:.2g}, so a recording's answer depends on those "
        "beside it; python -m trainer.check_model shows more"
    ]


def _call(model: keras.Model) -> Any:
    """The model as a graph with free batch and time, as a step of training has it."""
    specs = {tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs}
    call = tf.function(lambda inputs: model(inputs, training=False), autograph=False)
    return call.get_concrete_function(specs)


def _answer(model: keras.Model, call: Any, batch: dict[str, Any]) -> np.ndarray:
    outputs: np.ndarray = call({x.name: tf.constant(batch[x.name]) for x in model.inputs}).numpy()
    return outputs


def _require_no_penalty(model: keras.Model, name: str) -> None:
    of_weights = sum(v.regularizer is not None for v in model.trainable_variables)
    if len(model.losses) > of_weights:
        raise UserError(
            f"--model={name} adds to the loss what depends on the recordings (add_loss, or an "
            "activity_regularizer), which would be passed over; the loss is that of the labels and "
            "of regularized weights alone: take it out, or use kernel_regularizer"
        )


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
    if not data.label.class_names or data.units < 2:
        return
    activation = getattr(getattr(_last(model), "activation", None), "__name__", "")
    adds_up = (
        data.label.is_single and (answers >= 0).all() and np.allclose(answers.sum(-1), 1, atol=1e-3)
    )
    if adds_up or activation in _SQUASHING:
        found = activation if activation in _SQUASHING else "softmax"
        raise UserError(
            f"--model={name} answers probabilities ({found}), expected logits: the loss takes the "
            "softmax itself (a sigmoid of any number of classes), and evaluation and export give "
            "probabilities; leave the activation of the last layer out (for a sigmoid of one class "
            "out of several give --class_activation=sigmoid as well)"
        )


def _last(model: keras.Model) -> Any:
    """The layer that makes the output, also where that is of a model within the model."""
    while getattr(model, "outputs", None):
        model = model.outputs[0]._keras_history.operation
    return model

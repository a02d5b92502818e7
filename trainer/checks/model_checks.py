"""Properties 8, 9 and 12 of one model, and whether it is kept as it is.

Each check runs on random recordings of a few steps, with random layers off and all weights random.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfrecords_schema.schema import STEPWISE
from trainer.checks.finding import Finding, compared, is_float
from trainer.checks.kept import answer, file_findings, weights_finding
from trainer.models.family import ChosenModel, DataSpec
from trainer.models.parts.example import example, padded_to
from trainer.step.task import Task, inputs_of

_LENGTHS = (5, 1, 7, 0, 3)
_TIME, _WIDER = 7, 11
_RANDOM = {"rate", "stddev", "dropout", "recurrent_dropout"}
_OF_LENGTHS = (
    "some layer mixes padding into its answer, or statistics over padding: hand lengths or a mask "
    "to every layer that sees more than one step, or pack the steps first (trainer.layers)"
)


def findings(chosen: ChosenModel, data: DataSpec) -> Iterator[Finding]:
    """What was found, one check after the other.

    Args:
      chosen: the model.
      data: what it is for; `label` is what the model predicts.

    Raises:
      UserError: there is no such model.
    """
    model = chosen.build(data).full
    task = chosen.task(data.label)
    prepare(model)
    yield _alone(model, data)
    yield _wider(model, data)
    if data.label.per in ("record", "step") and "label" not in _names(model):
        yield from _trained(model, data, task)
    yield _explicit(model)
    recordings = example(data, [*filter(None, _LENGTHS)], _TIME)
    yield weights_finding(chosen, model, data, recordings)
    yield from file_findings(model, task, recordings)


def prepare(model: keras.Model) -> None:
    """Switches dropout and noise off, and makes weights random: zeros hide what is behind them."""
    for layer in model._flatten_layers():
        if hasattr(layer, "seed_generator"):
            for name in vars(layer).keys() & _RANDOM:
                setattr(layer, name, 0.0)
    rng = np.random.default_rng(1)
    for variable in model.variables:
        if is_float(variable.numpy()):
            variable.assign(variable + rng.uniform(0.05, 0.3, variable.shape))


def _names(model: keras.Model) -> list[str]:
    return [tensor.name for tensor in model.inputs]


def _batch(data: DataSpec, time: int = _TIME) -> dict[str, Any]:
    """The recordings of all checks, padded to so many steps."""
    return padded_to(time, example(data, _LENGTHS, _TIME), data)


def _valid(data: DataSpec, output: np.ndarray, length: int) -> np.ndarray:
    return output if data.label.per == "record" else output[:length]


def _alone(model: keras.Model, data: DataSpec) -> Finding:
    batch = _batch(data)
    together = answer(model, batch)
    pairs = []
    for row, length in enumerate(_LENGTHS):
        if length:
            own = {name: value[row : row + 1] for name, value in batch.items()}
            own |= {name: own[name][:, :length] for name in STEPWISE if name in own}
            alone = answer(model, own)[0]
            pairs.append((_valid(data, together[row], length), _valid(data, alone, length)))
    return compared("property 8: a recording alone, and in a batch", pairs, _OF_LENGTHS)


def _wider(model: keras.Model, data: DataSpec) -> Finding:
    short, wide = (answer(model, _batch(data, time)) for time in (_TIME, _WIDER))
    pairs = [
        (_valid(data, short[row], length), _valid(data, wide[row], length))
        for row, length in enumerate(_LENGTHS)
        if length
    ]
    return compared("property 8: more padding, with other values in it", pairs, _OF_LENGTHS)


def _trained(model: keras.Model, data: DataSpec, task: Task) -> Iterator[Finding]:
    short, wide = (_step(model, task, _batch(data, time)) for time in (_TIME, _WIDER))
    what = ("loss", "gradients", "batch statistics")
    for number, name in enumerate(what):
        pairs = list(zip(short[number], wide[number], strict=True))
        if pairs:
            yield compared(f"property 8: {name} with more padding", pairs, _OF_LENGTHS)
    finite = all(np.isfinite(each).all() for part in short for each in part)
    cure = "a mean over no step? layers.RecordPooling gives 0 there; keep divisors above 0"
    yield Finding("a row without a record", finite, "finite" if finite else f"NaN; {cure}")


def _step(model: keras.Model, task: Task, batch: dict[str, Any]) -> tuple[list[np.ndarray], ...]:
    """Loss, its gradients and the other variables after one batch; these are put back."""
    given = {name: tf.constant(value) for name, value in batch.items()}
    before = [variable.numpy() for variable in model.non_trainable_variables]
    variables = [variable.value for variable in model.trainable_variables]
    with tf.GradientTape() as tape:
        outputs = model(inputs_of(given, _names(model)), training=True)
        loss, weight = tf.unstack(task.loss_sum(given, outputs))
        mean = loss / weight
    gradients = tape.gradient(mean, variables, unconnected_gradients="zero")
    after = [variable.numpy() for variable in model.non_trainable_variables]
    for variable, value in zip(model.non_trainable_variables, before, strict=True):
        variable.assign(value)
    of_weights = [tf.convert_to_tensor(each).numpy() for each in gradients]
    return [mean.numpy()], of_weights, [*filter(is_float, after)]


def _explicit(model: keras.Model) -> Finding:
    makers = [
        layer.name
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.Masking) or getattr(layer, "mask_zero", False)
    ]
    seen = "no layer makes one"
    if makers:
        seen = (
            f"{', '.join(makers)} makes one, which other layers lose without a word; name an input "
            "mask, and hand it to the layers that take one"
        )
    return Finding("property 12: no implicit mask", not makers, seen)

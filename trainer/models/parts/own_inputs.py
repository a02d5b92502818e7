"""The inputs of a model of one's own, as every model of the trainer has them.

`signal` or `frames`, `lengths`, and `padding` and `beside` where records have them, by name. Who
prefers a mask
names an input `mask`, and gets one that says which steps are valid.
"""

from __future__ import annotations

from typing import Any

import keras

from tfrecords_schema.errors import UserError
from trainer import layers
from trainer.models.family import DataSpec

_MASK = "mask"
_CURE = (
    "signal = keras.Input((None, *data.input.step_shape), dtype=data.input.dtype, "
    'name=data.input.kind), lengths = keras.Input((), dtype="int32", name="lengths") and '
    "keras.Model({data.input.kind: signal, 'lengths': lengths}, outputs)"
)


def with_our_inputs(made: Any, data: DataSpec, name: str) -> keras.Model:
    """A functional model of what the trainer gives, around what a function returned if need be.

    Args:
      made: what it returned: a functional model with named inputs, or one derived from
        `keras.Model` whose `call` takes a dict of `signal` or `frames`, `lengths` and `mask`.
      data: what it is for.
      name: of the function, for messages.

    Raises:
      UserError: it is no model, or takes something else.
    """
    _require_model(made, name)
    inputs = _inputs(data)
    names = [data.input.kind, "lengths", _MASK]
    if hasattr(made, "inputs"):
        tensors = list(made.inputs)
        _require_inputs(tensors, {**inputs, _MASK: _mask_input()}, data, name)
        names = [tensor.name for tensor in tensors]
        if _MASK not in names and "lengths" in names and _is_by_name(made.input):
            return made
    outer = {key: inputs[key] for key in inputs if key in (*names, data.input.kind, "lengths")}
    values: dict[str, Any] = dict(outer)
    if _MASK in names:
        values[_MASK] = layers.StepMask(name="mask_of_steps")(
            outer["lengths"], outer[data.input.kind]
        )
    if hasattr(made, "inputs"):
        outputs = made(keras.tree.map_structure(lambda tensor: values[tensor.name], made.input))
    else:
        outputs = made({key: values[key] for key in names})
    return keras.Model(outer, outputs, name="own_model")


def _inputs(data: DataSpec) -> dict[str, Any]:
    """All that the trainer can give, by name."""
    spec = data.input
    found = {
        spec.kind: keras.Input((None, *spec.step_shape), dtype=spec.dtype, name=spec.kind),
        "lengths": keras.Input((), dtype="int32", name="lengths"),
    }
    if spec.has_padding:
        found["padding"] = keras.Input((), dtype="int32", name="padding")
    if spec.beside:
        found["beside"] = keras.Input(spec.beside_shape, dtype="float32", name="beside")
    return found


def _is_by_name(inputs: Any) -> bool:
    return isinstance(inputs, dict) and all(key == value.name for key, value in inputs.items())


def _mask_input() -> Any:
    return keras.Input((None,), dtype="bool", name=_MASK)


def _require_model(made: Any, name: str) -> None:
    if isinstance(made, keras.Sequential):
        raise UserError(
            f"--model={name} returned a Sequential model, which takes one input; expected one that "
            f"takes lengths, too: {_CURE}"
        )
    if not isinstance(made, keras.Model):
        kind = type(made)
        raise UserError(
            f"--model={name} returned {kind.__module__}.{kind.__qualname__}, expected a model of "
            f"Keras {keras.__version__} (keras.Model); return keras.Model(inputs, outputs)"
        )


def _require_inputs(tensors: list[Any], known: dict[str, Any], data: DataSpec, name: str) -> None:
    found = {tensor.name: tensor for tensor in tensors}
    unknown = [key for key in found if key not in known]
    if unknown or data.input.kind not in found:
        raise UserError(
            f"--model={name} has the inputs {', '.join(found)}, expected {', '.join(known)}; name "
            f"them so: {_CURE}"
        )
    if "lengths" not in found and _MASK not in found:
        raise UserError(
            f"--model={name} takes {data.input.kind} alone and cannot tell padding from data; "
            f"expected an input called lengths, or mask, too: {_CURE}"
        )
    for key, tensor in found.items():
        if (tensor.shape, tensor.dtype) != (known[key].shape, known[key].dtype):
            raise UserError(
                f"--model={name}: its input {key} is {_text(tensor)}, the trainer gives "
                f"{_text(known[key])}; write {_CURE}"
            )


def _text(tensor: Any) -> str:
    return f"{tensor.dtype} {[*tensor.shape]}"

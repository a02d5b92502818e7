"""Cuts a network where its frozen part ends, so that the frozen part can be computed once."""

from typing import Any

import keras

from trainer import layers


def split_at_frontier(
    encoder: keras.Model, frozen: list[Any]
) -> tuple[keras.Model | None, keras.Model | None]:
    """Returns the fixed part of a network and the rest of it; either may be None.

    What depends on nothing but frozen layers, and has no trainable weights or random numbers of its
    own, always gives the same for the same frame. The tensors that the rest takes from there are
    the outputs of the first model and the inputs of the second: several, where a residual
    connection is cut. The layers of the rest are replaced by this project's, with their weights:
    they take an empty batch and share batch statistics between replicas.

    Args:
        encoder: functional model with one input and one output, every layer used once.
        frozen: layers of it that are never trained, and stay in inference mode.
    """
    fixed = _fixed_operations(encoder, frozen)
    if not any(getattr(operation, "weights", None) for operation in fixed):
        return None, encoder
    if _operation(encoder.output) in fixed:
        return encoder, None
    tensors = _frontier(encoder, fixed)
    trunk = keras.Model(encoder.input, tensors, name="trunk")
    rest = keras.Model(tensors, encoder.output)
    tail = keras.models.clone_model(rest, clone_function=_own_layer, call_function=_without_mask)
    tail.set_weights(rest.get_weights())
    return trunk, tail


def _fixed_operations(encoder: keras.Model, frozen: list[Any]) -> list[Any]:
    """In the order of the graph, which `operations` has."""
    fixed: list[Any] = []
    for operation in encoder.operations:
        alone = operation in frozen or not (_learns(operation) or _is_random(operation))
        if alone and all(parent in fixed for parent in _parents(operation)):
            fixed.append(operation)
    return fixed


def _frontier(encoder: keras.Model, fixed: list[Any]) -> list[Any]:
    tensors: dict[int, Any] = {}
    for operation in encoder.operations:
        if operation not in fixed:
            for tensor in keras.tree.flatten(operation.input):
                if _operation(tensor) in fixed:
                    tensors[id(tensor)] = tensor
    return list(tensors.values())


def _learns(operation: Any) -> bool:
    return bool(getattr(operation, "trainable_weights", None))


def _is_random(operation: Any) -> bool:
    return getattr(operation, "seed_generator", None) is not None


def _parents(operation: Any) -> list[Any]:
    if isinstance(operation, keras.layers.InputLayer):
        return []
    return [_operation(tensor) for tensor in keras.tree.flatten(operation.input)]


def _operation(tensor: Any) -> Any:
    return tensor._keras_history.operation


_FAILS_WHEN_EMPTY = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
    keras.layers.AveragePooling2D,
    keras.layers.MaxPooling2D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
)


def _own_layer(operation: Any) -> Any:
    config = operation.get_config()
    if isinstance(operation, keras.layers.BatchNormalization):
        return layers.BatchNormalization.from_config(config)
    copy = operation.__class__.from_config(config)
    if isinstance(operation, _FAILS_WHEN_EMPTY):
        return layers.NeverEmpty(copy, name=operation.name, trainable=operation.trainable)
    return copy


def _without_mask(operation: Any, *args: Any, **kwargs: Any) -> Any:
    """Cloning repeats the `mask=None` of the first call, which the project's layers do not take."""
    kwargs.pop("mask", None)
    return operation(*args, **kwargs)

"""The moving average of the weights that the optimizer keeps with `--ema_momentum`.

Polyak and Juditsky 1992. Batch statistics are those of the last updates, not averaged.
"""

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf


@contextlib.contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Inside the block a compiled model has the average of its weights, if one is kept."""
    if not model.optimizer.use_ema:
        yield
        return
    own = [tf.identity(variable.value) for variable in model.trainable_variables]
    keep_average(model)
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, own, strict=True):
            variable.assign(value)


def keep_average(model: keras.Model) -> None:
    """Gives a compiled model the average of its weights for good, if one is kept."""
    model.optimizer.finalize_variable_values(model.trainable_variables)

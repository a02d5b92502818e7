"""Our families with their own defaults, and a training step of any Keras model on one batch."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.harness.batches import CLASSES
from tfrecords_schema import InputSpec, LabelSpec
from trainer.models.family import ChosenModel, DataSpec, families
from trainer.serving.export import constant_weights


def ours(name: str, step_shape: tuple[int, ...], dtype: str = "float32") -> keras.Model:
    """A family's model of a class per record, with its own defaults.

    Args:
      name: of the family.
      step_shape: channels of a sample, or height, width and colours of a frame.
      dtype: of the input; uint8 is frames.
    """
    family = families()[name]
    chosen = ChosenModel(family, tuple(kind() for kind in family.options))
    label = LabelSpec("record", "class", class_names=tuple("abcdefgh"[:CLASSES]))
    spec = InputSpec("frames" if dtype == "uint8" else "signal", dtype, step_shape)
    return chosen.build(DataSpec(spec, label, None)).full


def training_step(
    model: keras.Model,
    inputs: Any,
    labels: np.ndarray,
    optimizer: keras.optimizers.Optimizer | None = None,
) -> Callable[[], None]:
    """An update on one batch, by Keras' own Adam if no optimizer is given."""
    given, labels = tf.nest.map_structure(tf.constant, inputs), tf.constant(labels)
    optimizer = optimizer or keras.optimizers.Adam(1e-4)
    optimizer.build(model.trainable_variables)

    @tf.function(autograph=False)
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = model(given, training=True)
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            mean = tf.reduce_mean(loss)
        variables = [v.value for v in model.trainable_variables]
        optimizer.apply_gradients(
            zip(tape.gradient(mean, variables), model.trainable_variables, strict=True)
        )
        return mean

    return lambda: step().numpy()


def answer(model: keras.Model, inputs: dict[str, np.ndarray]) -> Callable[[], None]:
    """Predictions for one batch, from arrays to arrays, as a SavedModel is called."""
    specs = {
        name: tf.TensorSpec([None] * (1 if name == "lengths" else 2) + [*x.shape[2:]], x.dtype)
        for name, x in inputs.items()
    }
    weights = constant_weights(model)

    @tf.function(input_signature=[specs], autograph=False)
    def compute(given: dict[str, tf.Tensor]) -> tf.Tensor:
        with keras.StatelessScope(weights):
            return model(given, training=False)

    concrete = compute.get_concrete_function()
    return lambda: concrete(tf.nest.map_structure(tf.constant, inputs)).numpy()

"""A stack of recurrent layers that reads its own last output: one loop, however many steps."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from trainer.layers.features import Dense

CELLS = {"lstm": keras.layers.LSTMCell, "gru": keras.layers.GRUCell}


@keras.saving.register_keras_serializable(package="trainer")
class FeedbackDecoder(keras.layers.Layer):
    """Recurrent cells and a Dense layer whose output is the next step's input.

    Args:
        features: values of one step, in and out.
        units: units of each recurrent cell, the lowest first.
        cell: "lstm" or "gru".
        activation: of the cells.
        residual: whether the Dense layer gives the difference to the step before.
        teacher_forcing: in training, the share of steps that read the true step before them,
            drawn for every row and step.
        seed: seed of that draw.
    """

    def __init__(
        self,
        features: int,
        units: Sequence[int],
        cell: str = "lstm",
        activation: str = "tanh",
        residual: bool = False,
        teacher_forcing: float = 0.0,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.features, self.units, self.cell = features, tuple(units), cell
        self.activation, self.residual = activation, residual
        self.teacher_forcing, self.seed = teacher_forcing, seed
        policy = self.dtype_policy
        self.cells = [
            CELLS[cell](size, activation=activation, dtype=policy, name=f"{cell}_{number}")
            for number, size in enumerate(units)
        ]
        self.head = Dense(features, dtype=policy, name="head")
        self.seed_generator = keras.random.SeedGenerator(seed) if teacher_forcing else None

    def build(self, *shapes: Any, **named_shapes: Any) -> None:
        """Creates the weights of all cells and of the Dense layer."""
        width = self.features
        for cell in self.cells:
            cell.build((None, width))
            width = cell.units
        self.head.build((None, width))
        self.built = True

    def call(
        self,
        start: tf.Tensor,
        states: Sequence[tf.Tensor],
        steps: tf.Tensor | int,
        target: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """Runs `steps` steps.

        Args:
            start: `[batch, features]`, what the first step reads.
            states: states of the first cell before it, each `[batch, units]`; the other cells
                start from zeros.
            steps: number of steps, at least 1.
            target: `[batch, steps, features]`, read in training by the share of steps that
                `teacher_forcing` says, and never otherwise.

        Returns:
            `[batch, steps, features]`.
        """
        forced = self._forced(target, steps) if training and target is not None else None
        all_states = [list(states), *self._zeros(tf.shape(start)[0])]
        outputs = tf.TensorArray(start.dtype, steps, element_shape=start.shape)

        def body(step, read, states, outputs):
            value, states = self._step(read, states)
            outputs = outputs.write(step, value)
            if forced is not None and target is not None:
                value = tf.where(forced[:, step, None], target[:, step], value)
            return step + 1, value, states, outputs

        loop = tf.while_loop(
            lambda step, *_: step < steps,
            body,
            (0, start, all_states, outputs),
            maximum_iterations=steps,  # XLA needs a bound to compile the gradient
        )
        return tf.transpose(loop[3].stack(), [1, 0, 2])

    def _step(self, read: tf.Tensor, states: list) -> tuple[tf.Tensor, list]:
        value, after = read, []
        for cell, before in zip(self.cells, states, strict=True):
            value, new = cell(value, before)
            after.append(list(new))
        value = self.head(value)
        return (read + value if self.residual else value), after

    def _zeros(self, batch: tf.Tensor) -> list[list[tf.Tensor]]:
        count = 2 if self.cell == "lstm" else 1
        return [[tf.zeros([batch, size], self.compute_dtype)] * count for size in self.units[1:]]

    def _forced(self, target: tf.Tensor, steps: tf.Tensor | int) -> tf.Tensor | None:
        if self.seed_generator is None:
            return None
        shape = [tf.shape(target)[0], steps]
        return keras.random.uniform(shape, seed=self.seed_generator) < self.teacher_forcing

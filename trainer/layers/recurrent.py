"""GRU and LSTM over the valid steps of rows of different lengths, without masks.

They hold the variables of `keras.layers.GRU` and `LSTM`, so weights load both ways, and give the
same results on rows without padding. The input kernel is applied to all valid steps in one matrix
product before the recurrence. Inputs may be padded, `[batch, time, features]`, or packed,
`[valid, features]`; per-step outputs come back the way the inputs came.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from trainer.layers.packing import longest, pack_steps, unpack_steps, valid_steps
from trainer.layers.recurrence import recur


class _OverLengths(keras.layers.RNN):
    """What both cells share: shapes, checks, packing, direction.

    Stands before `keras.layers.GRU` or `LSTM` among the bases, so `super()` is one of those.
    """

    num_states: int
    _biases: Callable[[], tuple[tf.Tensor, tf.Tensor]]
    _pointwise: Callable[..., list[tf.Tensor]]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.input_spec = None  # The stock layer demands rank 3; packed inputs have rank 2.
        self._check_supported()

    def build(self, sequences_shape: Any, lengths_shape: Any = None) -> None:
        """Creates the cell's variables for `features` inputs."""
        super().build((sequences_shape[0], None, sequences_shape[-1]))

    def call(self, sequences: tf.Tensor, lengths: tf.Tensor) -> Any:
        """Runs over the first `lengths` steps of each row.

        Args:
            sequences: `[batch, time, features]`, or packed `[valid, features]`.
            lengths: `[batch] int32`.

        Returns:
            Per-step outputs in the layout of `sequences` (zeros at padding) with
            `return_sequences`, else `[batch, units]` of the last valid step (zeros for a row of
            length 0); with `return_state` a list that ends in the last states. With
            `go_backwards` a row is read from its last valid step to its first; per-step outputs
            stay in the order of time.
        """
        packed = sequences if len(sequences.shape) == 2 else pack_steps(sequences, lengths)
        states = self._run(packed, lengths)
        last = [state[-1] for state in states]
        output = last[0]
        if self.return_sequences:
            output = tf.gather_nd(states[0], self._places(lengths))
            if len(sequences.shape) == 3:
                output = unpack_steps(output, lengths, tf.shape(sequences)[1])
        return [output, *last] if self.return_state else output

    def _places(self, lengths: tf.Tensor) -> tf.Tensor:
        """Returns `[valid, 2]`: (time, row) in the recurrence of every packed step."""
        places = valid_steps(lengths)
        row, step = places[:, 0], places[:, 1]
        if self.go_backwards:
            step = tf.gather(tf.cast(lengths, step.dtype), row) - 1 - step
        return tf.stack([step, row], axis=1)

    def _run(self, packed: tf.Tensor, lengths: tf.Tensor) -> list[tf.Tensor]:
        """Returns states `[longest, batch, units]`."""
        input_bias, recurrent_bias = self._biases()
        projected = tf.matmul(packed, tf.convert_to_tensor(self.cell.kernel)) + input_bias
        time, batch = longest(lengths), tf.size(lengths)
        shape = tf.cast([time, batch, projected.shape[1]], tf.int64)
        inputs = tf.scatter_nd(self._places(lengths), projected, shape)
        valid = tf.transpose(tf.sequence_mask(lengths, time))[..., None]
        kernel = tf.convert_to_tensor(self.cell.recurrent_kernel)
        initial = [tf.zeros([batch, self.units], packed.dtype)] * self.num_states
        return recur(self._pointwise, inputs, valid, kernel, recurrent_bias, initial)

    def _check_supported(self) -> None:
        unsupported = {
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "stateful": self.stateful,
            "unroll": self.unroll,
        }
        given = [name for name, value in unsupported.items() if value]
        if given:
            raise ValueError(
                f"{self.name}: {', '.join(given)} cannot be used here: the inputs of all steps are "
                "projected before the recurrence. Put a Dropout layer before or after it."
            )

    def compute_output_spec(self, sequences: Any, lengths: Any, **kwargs: Any) -> Any:
        """Per-step outputs keep the layout of `sequences`; states are `[batch, units]`."""
        state = keras.KerasTensor((lengths.shape[0], self.units), dtype=self.compute_dtype)
        output = state
        if self.return_sequences:
            shape = (*sequences.shape[:-1], self.units)
            output = keras.KerasTensor(shape, dtype=self.compute_dtype)
        return [output, *[state] * self.num_states] if self.return_state else output


@keras.saving.register_keras_serializable(package="trainer")
class GRU(_OverLengths, keras.layers.GRU):
    """`keras.layers.GRU` (reset after the product) called with explicit lengths."""

    num_states = 1

    def _check_supported(self) -> None:
        super()._check_supported()
        if not self.reset_after:
            raise ValueError(f"{self.name}: reset_after=False is not supported; use True.")

    def _biases(self) -> tuple[tf.Tensor, tf.Tensor]:
        if not self.use_bias:
            zeros = tf.zeros([3 * self.units], self.compute_dtype)
            return zeros, zeros
        return tuple(tf.unstack(tf.convert_to_tensor(self.cell.bias)))

    def _pointwise(self, inputs: tf.Tensor, projected: tf.Tensor, h: tf.Tensor) -> list[tf.Tensor]:
        split = [2 * self.units, self.units]
        gates_in, candidate_in = tf.split(inputs, split, axis=1)
        gates_state, candidate_state = tf.split(projected, split, axis=1)
        gates = self.recurrent_activation(gates_in + gates_state)
        update, reset = tf.split(gates, 2, axis=1)
        candidate = self.activation(candidate_in + reset * candidate_state)
        return [update * h + (1 - update) * candidate]


@keras.saving.register_keras_serializable(package="trainer")
class LSTM(_OverLengths, keras.layers.LSTM):
    """`keras.layers.LSTM` called with explicit lengths."""

    num_states = 2

    def _biases(self) -> tuple[tf.Tensor, tf.Tensor]:
        zeros = tf.zeros([4 * self.units], self.compute_dtype)
        return (tf.convert_to_tensor(self.cell.bias) if self.use_bias else zeros), zeros

    def _pointwise(
        self, inputs: tf.Tensor, projected: tf.Tensor, h: tf.Tensor, c: tf.Tensor
    ) -> list[tf.Tensor]:
        into, forget, candidate, out = tf.split(inputs + projected, 4, axis=1)
        kept = self.recurrent_activation(forget) * c
        c = kept + self.recurrent_activation(into) * self.activation(candidate)
        return [self.recurrent_activation(out) * self.activation(c), c]

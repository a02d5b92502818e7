"""A recurrence whose only product inside the loop is `state @ recurrent_kernel`.

The gradient is written out: the loop's automatic gradient adds a whole recurrent kernel per step,
this one multiplies all steps' states by all steps' gradients once, after the loop. With 256 units
on a CPU, forward and backward, that takes 0.20 s instead of 0.85 s for 32 rows of 200 steps (GRU;
LSTM 0.42 instead of 1.28), and 0.06 instead of 0.08 for the published model's 8 rows of 64.
"""

from collections.abc import Callable

import tensorflow as tf

Pointwise = Callable[..., list[tf.Tensor]]
"""(projected inputs, projected state, *states) -> new states; the first state is the output."""


def recur(
    pointwise: Pointwise,
    inputs: tf.Tensor,
    valid: tf.Tensor,
    kernel: tf.Tensor,
    bias: tf.Tensor,
    initial: list[tf.Tensor],
) -> list[tf.Tensor]:
    """Returns the states after every step, each `[time, batch, units]`.

    Args:
        pointwise: the cell without its matrix products; must not read variables.
        inputs: `[time, batch, gates]`, the steps already multiplied by the input kernel; time >= 1.
        valid: `[time, batch, 1] bool`; where false the states stay as they are.
        kernel: `[units, gates]`, the recurrent kernel.
        bias: `[gates]`, added to `state @ kernel`.
        initial: the states before the first step, each `[batch, units]`.
    """

    @tf.custom_gradient
    def run(inputs, kernel, bias, *initial):
        states = _forward(pointwise, inputs, valid, kernel, bias, list(initial))

        def gradient(*upstream):
            return _backward(
                pointwise, inputs, valid, kernel, bias, list(initial), states, list(upstream)
            )

        return states, gradient

    return run(inputs, kernel, bias, *initial)


def _step(pointwise, valid, inputs, projected, states):
    """Padded steps hold their state: relu states left running there could grow to infinity."""
    new = pointwise(inputs, projected, *states)
    return [tf.where(valid, after, before) for after, before in zip(new, states, strict=True)]


def _arrays(like: list[tf.Tensor], time: tf.Tensor) -> list[tf.TensorArray]:
    return [tf.TensorArray(x.dtype, size=time, element_shape=x.shape) for x in like]


def _forward(pointwise, inputs, valid, kernel, bias, initial):
    time = tf.shape(inputs)[0]

    def body(step, arrays, states):
        projected = tf.matmul(states[0], kernel) + bias
        states = _step(pointwise, valid[step], inputs[step], projected, states)
        arrays = [a.write(step, s) for a, s in zip(arrays, states, strict=True)]
        return step + 1, arrays, states

    loop = tf.while_loop(lambda step, *_: step < time, body, (0, _arrays(initial, time), initial))
    return [array.stack() for array in loop[1]]


def _backward(pointwise, inputs, valid, kernel, bias, initial, states, upstream):
    time = tf.shape(inputs)[0]
    before = [
        tf.concat([first[None], all_[:-1]], axis=0)
        for first, all_ in zip(initial, states, strict=True)
    ]
    # All steps' products at once: cheaper than one small product per step.
    projected = tf.tensordot(before[0], kernel, 1) + bias

    def body(step, arrays, gradients):
        values = [inputs[step], projected[step], *(b[step] for b in before)]
        gradients = [g + u[step] for g, u in zip(gradients, upstream, strict=True)]
        with tf.GradientTape() as tape:
            tape.watch(values)
            new = _step(pointwise, valid[step], values[0], values[1], values[2:])
        of_inputs, of_projected, *gradients = tape.gradient(
            new, values, gradients, unconnected_gradients="zero"
        )
        gradients[0] += tf.matmul(of_projected, kernel, transpose_b=True)
        arrays = [arrays[0].write(step, of_inputs), arrays[1].write(step, of_projected)]
        return step - 1, arrays, gradients

    none = [tf.zeros_like(x) for x in initial]
    arrays = _arrays([inputs[0], inputs[0]], time)
    loop = tf.while_loop(lambda step, *_: step >= 0, body, (time - 1, arrays, none))
    of_inputs, of_projected = (array.stack() for array in loop[1])
    of_kernel = tf.tensordot(before[0], of_projected, [[0, 1], [0, 1]])
    of_bias = tf.reduce_sum(of_projected, axis=[0, 1])
    return of_inputs, of_kernel, of_bias, *loop[2]

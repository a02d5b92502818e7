"""Where a training step of the published signal model goes, on this machine.

`python -m benchmarks.speed.signal_step_profile` prints the processor seconds (added up over cores,
so that other work on the machine counts little) of a forward and backward pass for 8 rows of up to
64 steps of 3000 samples, 55% of them valid: the whole model, without its recurrence, without its
batch normalization, and with the recurrence's automatic gradient. Nine tenths are convolutions.
Takes about a minute.
"""

import time
from collections.abc import Callable
from unittest import mock

import numpy as np
import tensorflow as tf

from tfrecords_schema.schema import InputSpec, LabelSpec
from trainer.layers import recurrence, recurrent
from trainer.models.signal import SignalModelOptions, build_signal_model

ROWS, STEPS, SAMPLES, REPEATS = 8, 64, 3000, 6
LENGTHS = [64, 30, 20, 35, 10, 50, 40, 33]


def step_secs(options: SignalModelOptions) -> float:
    """Returns the processor seconds of the cheapest of some steps, tracing left out."""
    label = LabelSpec("step", "class", class_names=("a", "b"))
    model = build_signal_model(options, InputSpec("signal", "float32", (SAMPLES, 1)), label)
    signal = tf.random.stateless_normal((ROWS, STEPS, SAMPLES, 1), seed=(1, 2))
    inputs = {"signal": signal, "lengths": tf.constant(LENGTHS)}

    @tf.function
    def step() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(inputs, training=True)))
        return tape.gradient(loss, model.trainable_variables)

    return fastest(step)


def fastest(run: Callable[[], object]) -> float:
    """Returns the least processor seconds of `REPEATS` calls after a first one."""
    run()
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def with_automatic_gradient(pointwise, inputs, valid, kernel, bias, initial):
    """`recurrence.recur` without its written-out gradient."""
    return recurrence._forward(pointwise, inputs, valid, kernel, bias, list(initial))


def main() -> None:
    """Prints one line per variant, with its ratio to the whole model."""
    print(f"{np.mean(LENGTHS) / STEPS:.0%} of {ROWS} x {STEPS} steps are valid")
    whole = step_secs(SignalModelOptions())
    rows = {
        "the published model": whole,
        "without recurrence": step_secs(SignalModelOptions(rnn_cell="none")),
        "without batch normalization": step_secs(SignalModelOptions(batch_normalization=False)),
    }
    with mock.patch.object(recurrent, "recur", with_automatic_gradient):
        rows["recurrence with automatic gradient"] = step_secs(SignalModelOptions())
    for name, secs in rows.items():
        print(f"{name:36} {secs:7.3f} s  {secs / whole:5.2f}")


if __name__ == "__main__":
    main()

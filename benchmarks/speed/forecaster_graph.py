"""A decoder as one loop against the same decoder unrolled by hand, 150 steps of four LSTM(40).

    python -m benchmarks.speed.forecaster_graph [batch size]

Prints the seconds to the end of the first training step (building, tracing, running) and the
median seconds of later steps, forward and backward, for each and their ratio.
"""

import statistics
import sys
import time
from collections.abc import Callable

import trainer.options.quiet  # noqa: F401  # Before TensorFlow.

# isort: split
import keras
import tensorflow as tf

from trainer.layers.feedback_decoder import FeedbackDecoder

_FEATURES, _UNITS, _STEPS = 5, (40, 40, 40, 40), 150
_REPEATS = 5


def main(batch_size: int) -> None:
    """Measures both on random inputs."""
    print(f"batch {batch_size}, {_STEPS} steps, {len(_UNITS)} x LSTM({_UNITS[0]})")
    print(f"{'decoder':<24} {'first step':>10} {'step':>8}")
    loop = _measure("one loop", _one_loop, batch_size)
    unrolled = _measure("unrolled by hand", _unrolled, batch_size)
    ratios = [slow / fast for slow, fast in zip(unrolled, loop, strict=True)]
    print(f"{'ratio':<24} {ratios[0]:>9.1f}x {ratios[1]:>7.2f}x")


def _measure(name: str, build: Callable[[], keras.Model], batch_size: int) -> tuple[float, float]:
    inputs = [tf.random.normal([batch_size, size]) for size in (_FEATURES, _UNITS[0], _UNITS[0])]
    target = tf.random.normal([batch_size, _STEPS, _FEATURES])
    started = time.monotonic()
    model = build()
    step = _training_step(model)
    step(inputs, target).numpy()
    first = time.monotonic() - started
    steps = [_seconds(lambda: step(inputs, target).numpy()) for _ in range(_REPEATS)]
    print(f"{name:<24} {first:>8.2f} s {statistics.median(steps):>6.3f} s", flush=True)
    return first, statistics.median(steps)


def _training_step(model: keras.Model) -> Callable:
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(inputs: list[tf.Tensor], target: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(inputs) - target))
        gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    return step


def _inputs() -> tuple[keras.KerasTensor, list[keras.KerasTensor]]:
    return keras.Input((_FEATURES,)), [keras.Input((_UNITS[0],)) for _ in range(2)]


def _one_loop() -> keras.Model:
    start, states = _inputs()
    outputs = FeedbackDecoder(_FEATURES, _UNITS)(start, states, steps=_STEPS)
    return keras.Model([start, *states], outputs)


def _unrolled() -> keras.Model:
    start, states = _inputs()
    layers = [keras.layers.LSTM(units, return_state=True) for units in _UNITS]
    head = keras.layers.Dense(_FEATURES)
    read, all_states, outputs = start, [states, *[None] * (len(_UNITS) - 1)], []
    for _ in range(_STEPS):
        value = read
        for number, layer in enumerate(layers):
            step = keras.ops.expand_dims(value, 1)
            value, *all_states[number] = layer(step, initial_state=all_states[number])
        read = head(value)
        outputs.append(read)
    return keras.Model([start, *states], keras.ops.stack(outputs, axis=1))


def _seconds(function: Callable[[], object]) -> float:
    started = time.monotonic()
    function()
    return time.monotonic() - started


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 128)

"""Property 9: the same step of training, all on one replica and dealt out to several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.batches.deal import deal_batch
from tfrecords_schema.schema import STEPWISE
from trainer.checks.finding import Finding, compared, is_float
from trainer.checks.model_checks import prepare
from trainer.distribution.strategy import make_strategy
from trainer.models.family import ChosenModel, DataSpec
from trainer.models.parts.example import example
from trainer.options.options import RunOptions
from trainer.step.steps import Steps

_LENGTHS = (5, 1, 7, 3, 2)
_CURE = (
    "what batches share, such as batch statistics, must be summed over replicas: use those of "
    "trainer.layers"
)


def replicas_finding(chosen: ChosenModel, data: DataSpec, replicas: int) -> Finding:
    """Loss and weights after an update; the processor has been divided into so many devices."""
    run = RunOptions(dataset="-", run_dir="-", strategy="mirrored", cpu_replicas=replicas)
    strategy = make_strategy(run)
    with strategy.scope():
        built = chosen.build(data)
        prepare(built.full)
        optimizer = keras.optimizers.SGD(0.1)
        optimizer.build(built.full.trainable_variables)
    steps = Steps(strategy, built.full, optimizer, chosen.task(data.label), members=built.members)
    start = [variable.numpy() for variable in built.full.variables]
    all_on_one = [np.arange(len(_LENGTHS)), *[np.zeros(0, int)] * (replicas - 1)]
    batches = _dealt(strategy, data, [*all_on_one, *deal_batch(np.array(_LENGTHS), replicas)])
    found = []
    for batch in iter(batches):
        for variable, value in zip(built.full.variables, start, strict=True):
            variable.assign(value)
        sums = steps.train(batch, batches.element_spec).sums
        weights = [np.asarray(variable.numpy()) for variable in built.full.variables]
        found.append([*map(np.array, sums.values()), *filter(is_float, weights)])
    what = f"property 9: a step on one replica, and on {replicas}"
    return compared(what, zip(*found, strict=True), _CURE)


def _dealt(strategy: tf.distribute.Strategy, data: DataSpec, rows: Sequence[np.ndarray]) -> Any:
    """Batches of the same recordings, each dealt out to the replicas as the rows say."""
    batch, empty = example(data, _LENGTHS, max(_LENGTHS)), example(data, (0,), max(_LENGTHS))

    def parts() -> Iterator[dict[str, Any]]:
        for own in rows:
            yield {name: batch[name][own] if len(own) else empty[name] for name in batch}

    specs = {name: _spec(name, value, data) for name, value in batch.items()}
    dataset = tf.data.Dataset.from_generator(parts, output_signature=specs)
    return strategy.distribute_datasets_from_function(lambda _: dataset)


def _spec(name: str, value: np.ndarray, data: DataSpec) -> tf.TensorSpec:
    is_long = name in STEPWISE or (name == "label" and data.label.per == "step")
    free = 2 if is_long else 1
    return tf.TensorSpec([*[None] * free, *value.shape[free:]], value.dtype)

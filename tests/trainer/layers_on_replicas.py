"""Prints, as JSON, what BatchNormalization and Dropout do on two replicas.

For a process of its own: the replicas are logical CPU devices, which must be set up before
TensorFlow starts, and there can be one MirroredStrategy in a process.
"""

import json
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from trainer import layers

DEALS = {"uneven": [[0, 3, 4, 5, 6], [1, 2]], "one_empty": [[], [0, 1, 2, 3, 4, 5, 6]]}
"""Row numbers of the global batch on each replica."""


def main(_: Sequence[str]) -> int:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    results = {name: batch_statistics(strategy, dealt) for name, dealt in DEALS.items()}
    nothing = batch_statistics(strategy, [[], []])
    others = {"dropout": dropout(strategy), "normalized": normalized(strategy)}
    print(json.dumps({**results, "nothing": nothing, **others}))
    return 0


def batch_statistics(strategy, dealt):
    """One training step over the rows that `dealt` names."""
    random = np.random.default_rng(0)
    rows = random.normal(5.0, 2.0, size=(7, 2, 3)).astype("float32")
    upstream = random.normal(size=rows.shape).astype("float32")
    with strategy.scope():
        layer = layers.BatchNormalization()
        layer.build((None, 2, 3))
    layer.set_weights([np.linspace(0.5, 1.5, 3), np.ones(3), np.zeros(3), np.ones(3)])

    def step(x, upstream):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x, training=True)
            loss = tf.reduce_sum(outputs * upstream)
        of_x, *of_variables = tape.gradient(loss, [x, *layer.trainable_variables])
        summed = tf.distribute.get_replica_context().all_reduce("SUM", of_variables)
        return outputs, of_x, summed

    def own(values):
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(values[dealt[context.replica_id_in_sync_group]])
        )

    run = tf.function(lambda x, dy: strategy.run(step, (x, dy)))
    outputs, of_x, summed = run(own(rows), own(upstream))
    return {
        "outputs": gathered(strategy, outputs, dealt),
        "of_x": gathered(strategy, of_x, dealt),
        "of_variables": [
            strategy.experimental_local_results(v)[0].numpy().tolist() for v in summed
        ],
        "moving": copies(strategy, layer),
    }


def copies(strategy, layer):
    """The moving averages of every replica."""
    moving = [layer.moving_mean.value, layer.moving_variance.value]
    return [
        [copy.numpy().tolist() for copy in strategy.experimental_local_results(v)] for v in moving
    ]


def gathered(strategy, values, dealt):
    """Puts the replicas' rows back into the order of the global batch."""
    rows = {}
    for numbers, own in zip(dealt, strategy.experimental_local_results(values), strict=True):
        rows.update(zip(numbers, own.numpy().tolist(), strict=True))
    return [rows[number] for number in sorted(rows)]


def normalizations():
    """One of each kind, as they are after a training on values far from 0."""
    split = layers.Normalization("training_split", [1_700_000_003.25], [12.5])
    return {"record": layers.Normalization("record"), "training_split": split}


def normalized_inputs():
    """Packed steps of four records, and how many each has."""
    values = np.random.default_rng(1).integers(-20, 20, (9, 5, 1)) + 1_700_000_000
    return values, np.array([2, 3, 0, 4], np.int32)


def normalized(strategy):
    """By kind, the normalized steps of both replicas, which have two records each."""
    values, lengths = normalized_inputs()
    parts = [(values[:5], lengths[:2]), (values[5:], lengths[2:])]

    def own(number):
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(parts[context.replica_id_in_sync_group][number])
        )

    found = {}
    for kind, layer in normalizations().items():
        run = tf.function(lambda x, lengths, layer=layer: strategy.run(layer, (x, lengths)))
        results = strategy.experimental_local_results(run(own(0), own(1)))
        found[kind] = np.concatenate(results).tolist()
    return found


def dropout(strategy):
    with strategy.scope():
        layer = layers.Dropout(0.5, seed=3)
    run = tf.function(lambda: strategy.run(lambda: layer(tf.ones([40]), training=True)))
    return [v.numpy().tolist() for v in strategy.experimental_local_results(run())]

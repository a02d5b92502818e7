"""What each family is and costs: parameters, receptive field, and time beside stock Keras.

    python -m benchmarks.results.families [--steps=512] [--records=16] [--channels=1] [--repeats=5]

The peer is the same network of stock Keras layers on padded batches without masks, built by the
family itself. Both train on the same records; microseconds are for each valid sample, forward,
backward and update. Half of the rows are padding (`padded`), or none. The receptive field is
measured: from how far a change of the input reaches an output.
"""

import statistics
import sys
from collections.abc import Callable
from typing import Any

from pipeline.console import quiet

quiet.start(gpu=True)

import keras
import numpy as np
import tensorflow as tf

from benchmarks.harness.batches import CLASSES, UPDATES
from benchmarks.harness.flags import parse_flags
from benchmarks.harness.measure import alternately, seconds
from benchmarks.harness.networks import ours, training_step
from benchmarks.harness.tables import print_table
from benchmarks.peers.stock_layers import stock_network
from trainer.models.family import families
from trainer.models.parts.network import Network

_FAR = 4096


def receptive_field(model: keras.Model, channels: int) -> int | None:
    """Samples that an output sees, itself included; None where it sees all."""
    rows = next(layer for layer in model.layers if layer.name == "network")
    pool = next(layer for layer in rows.layers if layer.name == "pool")
    encoder = keras.Model(rows.input, pool._inbound_nodes[0].arguments.args[0])
    random = np.random.default_rng(0)
    for variable in encoder.trainable_variables:  # A kernel of zeros would see nothing.
        variable.assign(np.abs(random.normal(size=variable.shape)) * 0.1)
    signal = tf.Variable(random.normal(size=(_FAR, channels)).astype(np.float32))
    lengths = tf.constant([_FAR], tf.int32)
    with tf.GradientTape() as tape:
        given = {"rows": signal, "row_lengths": lengths, "step_lengths": lengths}
        middle = tf.reduce_sum(tf.cast(encoder(given)[_FAR // 2], tf.float64))
    seen = np.flatnonzero(np.abs(tape.gradient(middle, signal)).sum(1))
    return None if len(seen) > 0.95 * _FAR else int(np.ptp(seen)) + 1


def main() -> None:
    """Prints a row for each family over signals."""
    args = parse_flags(__doc__, steps=512, records=16, channels=1, repeats=5, only="")
    names = [name for name, family in families().items() if isinstance(family, Network)]
    names = args.only.split(",") if args.only else names
    rows = [row_of(name, args) for name in names]
    header = ("family", "parameters", "sees", "full: us", "stock", "times")
    print_table((*header, "padded: us", "stock", "times", "cost of padding", "stock"), rows)


def _several(step: Callable[[], None]) -> Callable[[], float]:
    """Seconds of a few updates."""
    return lambda: seconds(lambda: [step() for _ in range(UPDATES)])


def row_of(name: str, args: Any) -> list[object]:
    """A family's cells."""
    model = ours(name, (args.channels,))
    peer = stock_network(name, args.channels, CLASSES)
    field = receptive_field(ours(name, (args.channels,)), args.channels)
    size = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    cells: list[object] = [name, f"{size:,}", "all" if field is None else f"{field:,}"]
    random = np.random.default_rng(0)
    labels = random.integers(0, CLASSES, args.records)
    medians = []
    for padded in (False, True):
        lengths = np.full(args.records, args.steps)
        if padded:  # Uniform up to the longest.
            lengths = np.linspace(1, args.steps, args.records).round().astype(int)
        signal = random.normal(size=(args.records, args.steps, args.channels))
        signal[np.arange(args.steps) >= lengths[:, None]] = 0
        given = {"signal": signal.astype(np.float32), "lengths": lengths.astype(np.int32)}
        runs = {
            "ours": _several(training_step(model, given, labels)),
            "stock": _several(training_step(peer, given["signal"], labels)),
        }
        alternately(runs, 1)  # Traces.
        times = alternately(runs, args.repeats)
        samples = int(lengths.sum()) * UPDATES
        figures = [1e6 * statistics.median(times[key]) / samples for key in ("ours", "stock")]
        medians.append(figures)
        cells += [*(f"{figure:.2f}" for figure in figures), f"{figures[1] / figures[0]:.2f}"]
    grows = [padded / full for full, padded in zip(*medians, strict=True)]
    print(*cells, *(f"{growth:.2f}" for growth in grows), file=sys.stderr, flush=True)
    return [*cells, *(f"{growth:.2f}" for growth in grows)]


if __name__ == "__main__":
    main()

"""Random, bucketed and packed batches at equal updates, with three kinds of normalization.

    python -m benchmarks.results.batching --data_dir=DATA [--sets=all_gesture_x,...] [--seeds=5]
      [--updates=400] [--plot=docs/batching.png] [--json=batching.json]

An FCN of its published size is trained on seven tenths of the official training records of a
set and measured on the others, drawn anew for each seed; test records are left alone. Sets of
equal length are cut to a random 30 to 100 percent first.

- `padded`: padded batches of stock Keras layers without masks; padding is seen by everything.
- `masked`: lengths are respected everywhere; batch statistics are of valid samples.
- `layer`: the same, with layer normalization.

Each with random batches of 16 and with batches of one length bucket of four. Exact networks give
the same however they are computed, so seconds an epoch are those of packed records for the last
two kinds, and those of padded ones for the first. What is padding in the latter is printed besides.
"""

import collections
import functools
import json
import pathlib
import re
import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from pipeline.console import quiet

quiet.start(gpu=True)

import keras
import numpy as np
import tensorflow as tf

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.tables import print_table
from benchmarks.peers.stock_layers import encoded, stock_network
from trainer import layers
from trainer.layers.spectrum import LogMel
from trainer.models.parts.network import Features

BATCH, BUCKETS = 16, 4
SETS = "basic_motions,gesture_mid_air_2,japanese_vowels,all_gesture_x,spoken_digits"
KINDS = ("padded", "masked", "layer")
PLANS = ("random", "bucketed")


def records_of(folder: pathlib.Path, seed: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    """Training records, normalized by themselves: `[time, channels]` each, and their classes."""
    random = np.random.default_rng(seed)
    paths = sorted(folder.glob("train_*.npz"))
    paths = paths or [p for p in sorted(folder.glob("*.npz")) if not re.search("_[0-4]$", p.stem)]
    signals, labels = [], []
    for path in paths:
        with np.load(path) as arrays:
            signal, label = np.asarray(arrays["signal"], np.float32), str(arrays["label"])
        signals.append(signal.reshape(len(signal), -1))
        labels.append(label)
    if len({len(signal) for signal in signals}) == 1:
        signals = [_cut(signal, random) for signal in signals]
    if max(map(len, signals)) > 5000:
        signals = [_log_mel(signal) for signal in signals]
    signals = [(s - s.mean(0)) / (s.std(0) + 1e-6) for s in signals]
    return signals, np.unique(labels, return_inverse=True)[1]


def _cut(signal: np.ndarray, random: np.random.Generator) -> np.ndarray:
    kept = round(len(signal) * random.uniform(0.3, 1))
    start = random.integers(0, len(signal) - kept + 1)
    return signal[start : start + kept]


def _log_mel(signal: np.ndarray) -> np.ndarray:
    rows, _ = LogMel(256, 128, 40, 8000.0)(tf.constant(signal), tf.constant([len(signal)]))
    return rows.numpy()


def batches(lengths: np.ndarray, plan: str, random: np.random.Generator) -> list[np.ndarray]:
    """Rows of each batch of an epoch."""
    order = random.permutation(len(lengths))
    parts = [order]
    if plan == "bucketed":
        bounds = np.quantile(lengths, np.arange(1, BUCKETS) / BUCKETS)
        bucket = np.searchsorted(bounds, lengths[order])
        parts = [order[bucket == number] for number in range(BUCKETS)]
    found = [part[i : i + BATCH] for part in parts for i in range(0, len(part), BATCH)]
    return [found[i] for i in random.permutation(len(found))]


def padded(signals: list[np.ndarray]) -> tuple[tf.Tensor, tf.Tensor]:
    """`[batch, time, channels]` with zeros behind the ends, and `[batch]` lengths."""
    lengths = np.array([len(signal) for signal in signals], np.int32)
    batch = np.zeros((len(signals), lengths.max(), signals[0].shape[1]), np.float32)
    for row, signal in zip(batch, signals, strict=True):
        row[: len(signal)] = signal
    return tf.constant(batch), tf.constant(lengths)


def network(kind: str, channels: int, classes: int) -> Callable[..., tf.Tensor]:
    """A model called with padded signals, lengths and `training`; its `model` has the weights."""
    if kind == "padded":
        model = stock_network("fcn", channels, classes)
        return _Called(model, lambda signal, lengths: signal)
    own: Any = layers
    if kind == "layer":
        own = SimpleNamespace(
            TemporalConvolution=layers.TemporalConvolution,
            BatchNormalization=lambda momentum, name: keras.layers.LayerNormalization(name=name),
        )
    signal = keras.Input((None, channels), name="signal")
    lengths = keras.Input((), dtype="int32", name="lengths")
    packed = layers.PackSteps()(signal, lengths)
    rows = encoded("fcn", own, Features(packed, lengths)).rows
    y = keras.layers.Dense(classes)(layers.RecordPooling("mean")(rows, lengths))
    model = keras.Model({"signal": signal, "lengths": lengths}, y)
    return _Called(model, lambda signal, lengths: {"signal": signal, "lengths": lengths})


class _Called:
    def __init__(self, model: keras.Model, inputs: Callable[..., Any]):
        self.model, self._inputs = model, inputs

    def __call__(self, signal: tf.Tensor, lengths: tf.Tensor, training: bool) -> tf.Tensor:
        return self.model(self._inputs(signal, lengths), training=training)


def trained(
    kind: str, plan: str, signals: list[np.ndarray], labels: np.ndarray, seed: int, updates: int
) -> tuple[float, float, float]:
    """Accuracy on the records left out, median seconds of an epoch, and padding's share of rows."""
    keras.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)
    order = random.permutation(len(signals))
    train, rest = np.split(order, [round(0.7 * len(order))])
    lengths = np.array([len(signals[i]) for i in train])
    called: Any = network(kind, signals[0].shape[1], int(labels.max()) + 1)
    variables = called.model.trainable_variables
    schedule = keras.optimizers.schedules.CosineDecay(1e-3, updates)
    optimizer = keras.optimizers.Adam(schedule)
    optimizer.build(variables)

    @tf.function(reduce_retracing=True)
    def step(signal: tf.Tensor, lengths: tf.Tensor, label: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            logits = called(signal, lengths, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=label, logits=logits)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, [v.value for v in variables])
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    done, valid, padded_rows, seconds = 0, 0, 0, []
    while done < updates:
        started = time.perf_counter()
        for rows in batches(lengths, plan, random)[: updates - done]:
            chosen = train[rows]
            step(*padded([signals[i] for i in chosen]), tf.constant(labels[chosen]))
            valid += lengths[rows].sum()
            padded_rows += len(rows) * lengths[rows].max()
            done += 1
        seconds.append(time.perf_counter() - started)
    answer = tf.function(functools.partial(called, training=False), reduce_retracing=True)
    right = 0
    for start in range(0, len(rest), BATCH):
        chosen = rest[start : start + BATCH]
        logits = answer(*padded([signals[i] for i in chosen])).numpy()
        right += (logits.argmax(1) == labels[chosen]).sum()
    padding = 1 - valid / padded_rows
    return right / len(rest), statistics.median(seconds[1:] or seconds), padding


def main() -> None:
    """Trains all, prints a table and draws a plot."""
    args = parse_flags(
        __doc__, data_dir=str, sets=SETS, seeds=5, updates=400, plot="", json="batching.json"
    )
    file = pathlib.Path(args.json)
    found: dict[str, list[list[float]]] = json.loads(file.read_text()) if file.exists() else {}
    for name in args.sets.split(","):
        signals, labels = records_of(pathlib.Path(args.data_dir) / name)
        for seed in range(args.seeds):
            for plan in PLANS:
                for kind in KINDS:
                    runs = found.setdefault(
                        f"{name}/{len(signals)}/{plan}/{kind}/{args.updates}", []
                    )
                    if len(runs) <= seed:
                        runs.append([*trained(kind, plan, signals, labels, seed, args.updates)])
                        file.write_text(json.dumps(found, indent=1))
    show(found, args.plot, args.updates)


def show(found: dict[str, list[list[float]]], plot: str, updates: int) -> None:
    """Prints accuracy with its spread, seconds an epoch and padding, and draws the first two."""
    sets: dict[str, dict[str, list[list[float]]]] = collections.defaultdict(dict)
    for key, runs in found.items():
        *names, done = key.split("/")
        if done == str(updates):  # An older file's keys end otherwise.
            name, records, plan, kind = names
            sets[f"{name} ({records})"][f"{plan} {kind}"] = runs
    columns = [f"{plan} {kind}" for plan in PLANS for kind in KINDS]
    for figure, title in enumerate(("accuracy", "seconds an epoch", "padding")):
        print(f"\n{title}")
        rows = [[name, *(_text(runs[c], figure) for c in columns)] for name, runs in sets.items()]
        print_table(("set (records)", *columns), rows)
    if plot:
        draw(sets, columns, plot)


def _text(runs: list[list[float]], figure: int) -> str:
    values = [run[figure] for run in runs]
    if figure:
        return f"{statistics.median(values):.2f}"
    spread = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.3f} ±{spread:.3f}"


def draw(sets: dict[str, dict[str, list[list[float]]]], columns: list[str], path: str) -> None:
    """Bars of both figures for each set."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 1, figsize=(11, 7), sharex=True, layout="constrained")
    places = np.arange(len(sets))
    for number, column in enumerate(columns):
        at = places + (number - 2.5) * 0.13
        for value, axis in enumerate(axes):
            values = [[run[value] for run in runs[column]] for runs in sets.values()]
            heights = [np.mean(v) if value == 0 else np.median(v) for v in values]
            errors = [np.std(v, ddof=1) / len(v) ** 0.5 if len(v) > 1 else 0 for v in values]
            axis.bar(at, heights, 0.12, label=column, yerr=errors if value == 0 else None)
    axes[0].set_ylabel("accuracy, held-out training records")
    axes[1].set_ylabel("seconds an epoch")
    axes[1].set_yscale("log")
    axes[1].set_xticks(places, sets, rotation=15)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=6)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()

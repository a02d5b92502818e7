"""Worker process: trains the source's model with stock `fit`, a step whenever it is asked to.

python -m benchmarks.peers.signal_worker --keras=keras --folder=SET --records=0,1,2,3

The same code for Keras 3 and for legacy Keras 2 (`tf_keras`). Each step is one of the same batch,
padded to its longest record. Padded steps have weight 0 here; the source trains on them, which
takes the same time. The time axis of the batch is fixed, because `TimeDistributed` of Keras 3.15
fails with a free one: it maps over as many steps as there are rows.
"""

import importlib
import os
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.recordings import record_id
from benchmarks.harness.worker import report, turns

STRIDES = (3, 2, 2, 2)
ENDLESS = 1_000_000


def main() -> None:
    """Fits, reporting the seconds of every step."""
    args = parse_flags(__doc__, keras=str, folder=str, records=str)
    keras = importlib.import_module(args.keras)
    ids = [record_id(int(number)) for number in args.records.split(",")]
    signal, label, lengths = load_padded(args.folder, ids)
    weights = (np.arange(signal.shape[1]) < lengths[:, np.newaxis]).astype(np.float32)
    build(keras, signal.shape[2]).fit(
        signal[..., np.newaxis],
        label,
        sample_weight=weights,
        batch_size=len(ids),
        epochs=ENDLESS,
        verbose=0,
        callbacks=[turn_callback(keras, int(lengths.sum()))],
    )


def build(keras: Any, samples: int) -> Any:
    """The source's model: https://github.com/dallanoce/timedistributed.

    Args:
        keras: the module `keras` or `tf_keras`.
        samples: of one time step; 3000 in the source.

    Returns:
        The compiled model of 2,832,002 parameters, for `[batch, time, samples, 1, 1]`.
    """
    layers = keras.layers
    inputs = x = keras.Input((None, samples, 1, 1))
    for stride in STRIDES:
        convolution = layers.Conv2D(32, [32, 1], activation="relu", strides=(stride, 1))
        x = layers.TimeDistributed(convolution)(x)
        x = layers.TimeDistributed(layers.BatchNormalization())(x)
    x = layers.TimeDistributed(layers.Flatten())(x)
    for units in (256, 128):
        regularizer = keras.regularizers.l2(0.01)
        x = layers.GRU(
            units, activation="relu", return_sequences=True, kernel_regularizer=regularizer
        )(x)
        x = layers.Dropout(0.4)(x)
        x = layers.BatchNormalization()(x)
    outputs = layers.TimeDistributed(layers.Dense(2, activation="softmax"))(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=keras.optimizers.Adam(2e-4),
        loss="sparse_categorical_crossentropy",
        weighted_metrics=["accuracy"],
    )
    return model


def load_padded(folder: str, ids: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Loads one batch as the source's `keras.utils.Sequence` does.

    `pad_sequences(dtype="float32", padding="post")` of Keras, written out, so that this file needs
    no Keras; without the dtype, as in the source, it cuts the signal to integers.

    Args:
        folder: holds `signal/ID.npz` and `target/ID.npz`.
        ids: of the batch.

    Returns:
        `[batch, longest, samples, 1] float32`, labels `[batch, longest, 1] int64`, lengths.
    """
    signals = [_load(folder, "signal", name) for name in ids]
    labels = [_load(folder, "target", name) for name in ids]
    lengths = np.array([len(signal) for signal in signals])
    return _padded(signals, "float32"), _padded(labels, "int64"), lengths


def _load(folder: str, kind: str, name: str) -> np.ndarray:
    with np.load(os.path.join(folder, kind, name + ".npz")) as arrays:
        return arrays[arrays.files[0]]


def _padded(arrays: list[np.ndarray], dtype: str) -> np.ndarray:
    longest = max(len(array) for array in arrays)
    padded = np.full([len(arrays), longest, *arrays[0].shape[1:]], 0.0, dtype)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return padded


def turn_callback(keras: Any, valid_steps: int) -> Any:
    """Waits for the parent before each batch and reports after it."""

    class Turns(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            self.turns = turns()

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            next(self.turns)
            self.started = time.perf_counter(), time.process_time()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            report(
                secs=time.perf_counter() - self.started[0],
                cpu_secs=time.process_time() - self.started[1],
                process_cpu_secs=time.process_time(),
                valid_steps=valid_steps,
            )

    return Turns()


if __name__ == "__main__":
    main()

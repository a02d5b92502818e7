"""Worker process: the source's Sequence, an epoch when asked to.

python -m benchmarks.peers.sequence_worker --folder=SET --records=600 --taken_by=fit

Keras' stock `fit` takes it; the model does nothing with a batch, so that an epoch takes as long as
its input. Loading is in the process of `fit`, as is the default; with the source's
`use_multiprocessing=True` it takes longer. Or, `--taken_by=loop`, a bare loop takes it, which makes
tensors of it.
"""

import os
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.recordings import record_id
from benchmarks.harness.worker import report, turns
from benchmarks.peers.signal_worker import ENDLESS, load_padded


def main() -> None:
    """Fits or loops, reporting the seconds of every epoch."""
    args = parse_flags(__doc__, folder=str, records=int, batch_size=32, taken_by=str)
    ids = [record_id(number) for number in range(args.records)]
    batches = Sequence(args.folder, ids, args.batch_size)
    if args.taken_by == "loop":
        return _loop(batches)
    model = Idle()
    model.compile()
    model.fit(batches, epochs=ENDLESS, verbose=0, callbacks=[Turns()])


def _loop(batches: "Sequence") -> None:
    for _ in turns():
        started = time.perf_counter()
        for number in range(len(batches)):
            _ = [tf.constant(array) for array in batches[number]]
        batches.on_epoch_end()
        report(secs=time.perf_counter() - started)


class Sequence(keras.utils.PyDataset):
    """Random batches of `(signal, label)`, padded; what a Sequence is called in Keras 3."""

    def __init__(self, folder: str, ids: list[str], batch_size: int):
        super().__init__()
        self._folder, self._ids, self._batch_size = folder, np.array(ids), batch_size
        self._random = np.random.default_rng(0)
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self._ids) // self._batch_size)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self._order[number * self._batch_size : (number + 1) * self._batch_size]
        signal, label, _ = load_padded(self._folder, self._ids[rows].tolist())
        return signal, label

    def on_epoch_end(self) -> None:
        """Shuffles."""
        self._order = self._random.permutation(len(self._ids))


class Idle(keras.Model):
    """Takes batches and does nothing."""

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """No figures of it."""
        return {"loss": tf.constant(0.0)}


class Turns(keras.callbacks.Callback):
    """Waits for the parent before each epoch and reports after it."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Listens."""
        self._turns = turns()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Waits."""
        next(self._turns)
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Reports the epoch's seconds."""
        report(secs=time.perf_counter() - self._started)


if __name__ == "__main__":
    main()

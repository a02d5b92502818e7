"""Worker process: trains the source's model with stock `fit`, a step whenever it is asked to.

python -m benchmarks.peers.signal_worker --keras=keras --folder=SET --records=0,1,2,3

Each step is one of the same batch, padded to its longest record. Padded steps have weight 0 here;
the source trains on them, which takes the same time. The time axis of the batch is fixed, because
`TimeDistributed` of Keras 3.15 fails with a free one: it maps over as many steps as there are rows.
"""

import argparse
import importlib
import os
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from benchmarks.harness.signal_set import record_id
from benchmarks.harness.worker import report, turns
from benchmarks.peers.sequence import load_padded
from benchmarks.peers.signal_model import build

_ENDLESS = 1_000_000


def main() -> None:
    """Fits, reporting the seconds of every step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keras", choices=("keras", "tf_keras"), required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--records", required=True, help="numbers of the batch's recordings: 0,1,2")
    args = parser.parse_args()
    keras = importlib.import_module(args.keras)
    ids = [record_id(int(number)) for number in args.records.split(",")]
    signal, label, lengths = load_padded(args.folder, ids)
    weights = (np.arange(signal.shape[1]) < lengths[:, np.newaxis]).astype(np.float32)
    build(keras, signal.shape[2]).fit(
        signal[..., np.newaxis],
        label,
        sample_weight=weights,
        batch_size=len(ids),
        epochs=_ENDLESS,
        verbose=0,
        callbacks=[turn_callback(keras, int(lengths.sum()), weights.size)],
    )


def turn_callback(keras: Any, valid_steps: int, padded_steps: int) -> Any:
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
                padded_steps=padded_steps,
            )

    return Turns()


if __name__ == "__main__":
    main()

"""Input alone, from the page cache: read, parse, bucket, pad.

Ours is shuffled over the whole set and reads each record at its offset. The peers are stock
`bucket_by_sequence_length` in the order of the files, without any shuffle, and the Keras Sequence
of the source's code, which loads and pads npz files batch by batch: as stock `fit` takes it, and as
a bare loop does, each in a process of its own.
"""

import itertools
import pathlib
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from benchmarks.harness.many_records import write_many
from benchmarks.harness.measure import Row, against, alternately, seconds, within
from benchmarks.harness.processes import temporary_folder
from benchmarks.harness.recordings import lognormal_lengths, signal_dataset
from benchmarks.harness.tables import section_main
from benchmarks.harness.worker import Worker
from benchmarks.peers.bucketed import bucketed_batches
from pipeline.batches.batch_reader import BatchReader
from pipeline.batches.boundaries import optimal_boundaries
from pipeline.batches.plan import BatchOptions, plan_epoch
from tfrecords_schema import Dataset, open_dataset
from trainer.data.epoch_stream import joined

BATCH_SIZE, BUCKETS, REPEATS = 32, 8, 5
SMALL_BATCH_SIZE = 256
# Of the large records; one iterator serves 100 steps at least in training, too.
EPOCHS = 5


def run(quick: bool = False) -> list[Row]:
    """Measures; about a minute."""
    with temporary_folder() as folder:
        large = _large_rows(folder / "large", 60 if quick else 600)
        return large + _small_rows(folder / "small", 10_000 if quick else 100_000)


def _large_rows(folder: pathlib.Path, count: int) -> list[Row]:
    """Records of 480 kB in the mean."""
    lengths = lognormal_lengths(count)
    dataset = open_dataset(signal_dataset(folder, lengths))
    arguments = [f"--folder={folder}", f"--records={count}", f"--batch_size={BATCH_SIZE}"]
    sequence = "benchmarks.peers.sequence_worker"
    with (
        Worker(sequence, *arguments, "--taken_by=fit") as fit,
        Worker(sequence, *arguments, "--taken_by=loop") as loop,
    ):
        runs = {
            **_both(dataset, BATCH_SIZE, EPOCHS),
            "fit": lambda: fit.step()["secs"] * EPOCHS,
            "loop": lambda: loop.step()["secs"] * EPOCHS,
        }
        figures = _per(alternately(runs, REPEATS + 1), 1e6 / EPOCHS / lengths.sum())
    size_kb = dataset.manifest.splits["train"].size_bytes / count / 1e3
    name = f"input, {size_kb:.0f} kB / "
    unit = "us/valid step"
    return [
        against(name + "bucket_by_sequence_length", figures["ours"], figures["stock"], unit, 1),
        against(name + "source's Sequence in fit", figures["ours"], figures["fit"], unit, 5),
        against(name + "Sequence in a loop", figures["ours"], figures["loop"], unit),
    ]


def _small_rows(folder: pathlib.Path, count: int) -> list[Row]:
    """Records of 71 bytes in their shard, 55 of them the record's own."""
    dataset = write_many(folder, np.random.default_rng(0).integers(1, 4, count))
    micros = _per(alternately(_both(dataset, SMALL_BATCH_SIZE), REPEATS + 1), 1e6 / count)
    rates = [1e6 / figure for figure in micros["ours"]]
    name = f"input, records of {dataset.manifest.splits['train'].size_bytes / count:.0f} bytes"
    return [
        against(name + " / bucket_by...", micros["ours"], micros["stock"], "us/record", 1),
        within(name, rates, "records/s", "above", 20_000),
    ]


def _both(dataset: Dataset, batch_size: int, epochs: int = 1) -> dict[str, Callable[[], float]]:
    return {
        "ours": our_epochs(dataset, batch_size, epochs),
        "stock": lambda: seconds(lambda: deque(stock_epoch(dataset, batch_size, epochs), maxlen=0)),
    }


def _per(secs: dict[str, list[float]], factor: float) -> dict[str, list[float]]:
    """Scaled, without the first round, which traces and fills the page cache."""
    return {name: [figure * factor for figure in figures[1:]] for name, figures in secs.items()}


def our_epochs(dataset: Dataset, batch_size: int, epochs: int = 1) -> Callable[[], float]:
    """Returns what reads more epochs, each in an order of its own, and returns their seconds."""
    reader = BatchReader(dataset, "train")
    steps = dataset.split("train").steps
    options = BatchOptions(batch_size=batch_size, num_buckets=BUCKETS)
    numbers = itertools.count()

    def read() -> None:
        plans = [plan_epoch(steps, options, seed=0, epoch=next(numbers)) for _ in range(epochs)]
        deque(reader.epoch(joined(plans)), maxlen=0)

    return lambda: seconds(read)


def stock_epoch(dataset: Dataset, batch_size: int, epochs: int = 1) -> Iterable[Any]:
    """The same records, in buckets of the same boundaries; several epochs as one."""
    boundaries = optimal_boundaries(dataset.manifest.splits["train"].length_histogram, BUCKETS)
    label = dataset.schema.label
    assert label is not None
    paths, step_shape = dataset.shard_paths("train") * epochs, dataset.schema.input.step_shape
    return bucketed_batches(paths, step_shape, boundaries[:-1].tolist(), batch_size, label.per)


if __name__ == "__main__":
    section_main(run)

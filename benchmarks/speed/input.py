"""Input alone, from the page cache: read, parse, bucket, pad.

Ours is shuffled over the whole set and reads each record at its offset. The peers are stock
`bucket_by_sequence_length` in the order of the files, without any shuffle, and the Keras Sequence
of the source's code, which loads and pads npz files batch by batch: as stock `fit` takes it, and as
a bare loop does, each in a process of its own.
"""

import itertools
import pathlib
import tempfile
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.harness.measure import Row, above, against, alternately, seconds
from benchmarks.harness.signal_set import convert, lognormal_lengths, write_npz
from benchmarks.harness.small_set import write_many
from benchmarks.harness.worker import Worker
from benchmarks.peers.bucketed import bucketed_batches
from pipeline.batches.batch_reader import BatchReader
from pipeline.batches.boundaries import optimal_boundaries
from pipeline.batches.plan import BatchOptions, plan_epoch
from tfrecords_schema import Dataset, open_dataset
from trainer.data.epoch_stream import joined

BATCH_SIZE, BUCKETS, REPEATS = 32, 8, 5
SMALL_BATCH_SIZE = 256
SAMPLES = 3000
# Of the large records; one iterator serves 100 steps at least in training, too.
EPOCHS = 5


def run(quick: bool = False) -> list[Row]:
    """Measures; about a minute."""
    with tempfile.TemporaryDirectory() as folder:
        large = _large_rows(pathlib.Path(folder, "large"), 60 if quick else 600)
        return large + _small_rows(pathlib.Path(folder, "small"), 10_000 if quick else 100_000)


def _large_rows(folder: pathlib.Path, count: int) -> list[Row]:
    """Records of 480 kB in the mean."""
    lengths = lognormal_lengths(count)
    write_npz(folder, lengths, (SAMPLES, 1))
    dataset = open_dataset(convert(folder))
    arguments = [f"--folder={folder}", f"--records={count}", f"--batch_size={BATCH_SIZE}"]
    sequence = "benchmarks.peers.sequence_worker"
    fit, loop = (Worker(sequence, *arguments, f"--taken_by={by}") for by in ("fit", "loop"))
    runs = {
        "ours": our_epochs(dataset, BATCH_SIZE, EPOCHS),
        "stock": lambda: seconds(lambda: exhaust(stock_epoch(dataset, BATCH_SIZE, EPOCHS))),
        "fit": lambda: fit.step()["secs"] * EPOCHS,
        "loop": lambda: loop.step()["secs"] * EPOCHS,
    }
    figures = _per(alternately(runs, REPEATS + 1), 1e6 / EPOCHS / lengths.sum())
    fit.close()
    loop.close()
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
    runs = {
        "ours": our_epochs(dataset, SMALL_BATCH_SIZE),
        "stock": lambda: seconds(lambda: exhaust(stock_epoch(dataset, SMALL_BATCH_SIZE))),
    }
    secs = alternately(runs, REPEATS + 1)
    micros = _per(secs, 1e6 / count)
    name, size = "input, records of {:.0f} bytes", dataset.manifest.splits["train"].size_bytes
    rates = [count / figure for figure in secs["ours"][1:]]
    name = name.format(size / count)
    return [
        against(name + " / bucket_by...", micros["ours"], micros["stock"], "us/record", 1),
        above(name, rates, "records/s", 20_000),
    ]


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
        exhaust(iter(reader.epoch(joined(plans))))

    return lambda: seconds(read)


def stock_epoch(dataset: Dataset, batch_size: int, epochs: int = 1) -> Iterator[object]:
    """The same records, in buckets of the same boundaries; several epochs as one."""
    boundaries = optimal_boundaries(dataset.manifest.splits["train"].length_histogram, BUCKETS)
    label = dataset.schema.label
    assert label is not None
    return iter(
        bucketed_batches(
            dataset.shard_paths("train") * epochs,
            dataset.schema.input.step_shape,
            boundaries[:-1].tolist(),
            batch_size,
            label.per,
        )
    )


def exhaust(batches: Iterator[object]) -> None:
    """Takes all."""
    for _ in batches:
        pass

"""The project itself, by the same measure; runs where it is installed."""

import itertools
import pathlib
from collections.abc import Callable, Iterable

from pipeline.console import quiet

quiet.start(gpu=False)

from benchmarks.harness.recordings import conversion_flags
from benchmarks.peers.loaders.plain_arrays import PlainArrays
from pipeline.batches.batch_reader import BatchReader
from pipeline.batches.plan import BatchOptions, plan_epoch
from tfrecords_schema import open_dataset
from trainer.data.epoch_stream import joined


def convert(inputs: str, output: str) -> None:
    """Converts a folder of npz files, as `python -m pipeline` does."""
    from pipeline.conversion.convert import main

    flags = [f"--input_dir={inputs}", "--num_shards=8", *conversion_flags(output)]
    assert main(flags) == 0


def batches(
    recordings: PlainArrays, folder: str, batch_size: int, epochs: int, workers: int
) -> Callable[[], Iterable]:
    """What goes through so many epochs of a dataset, as a training does; threads, not workers."""
    del workers
    dataset = open_dataset(str(pathlib.Path(folder)))
    reader = BatchReader(dataset, "train")
    steps = dataset.split("train").steps
    options = BatchOptions(batch_size, boundaries=tuple(recordings.boundaries.tolist()))
    numbers = itertools.count()

    def turn() -> Iterable:
        plans = [plan_epoch(steps, options, seed=0, epoch=next(numbers)) for _ in range(epochs)]
        for batch in reader.epoch(joined(plans)):
            yield batch["signal"], batch["label"], batch["lengths"]

    return turn

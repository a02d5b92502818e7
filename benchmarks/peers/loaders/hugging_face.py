"""Hugging Face datasets: an Arrow file in memory that is the file's, rows as NumPy arrays."""

import math
import pathlib
from collections.abc import Callable, Iterable

import torch
from datasets import Array2D, Dataset, Features, Sequence, Value

from benchmarks.peers.loaders.plain_arrays import PlainArrays, Record, npz_records
from benchmarks.peers.loaders.torch_memory_map import bucketed, collate

_REST = {"id": Value("string"), "label": Sequence(Value("int64"))}


def write(records: Iterable[Record], folder: str) -> None:
    """Writes what is read fastest: values in a row, in Python each by itself."""
    features = Features({**_REST, "signal": Sequence(Value("float32"))})
    _write(((name, signal.ravel(), label) for name, signal, label in records), features, folder)


def convert(inputs: str, output: str) -> None:
    """Writes what is written fastest; it takes several times as long to read."""
    _, signal, _ = next(npz_records(inputs))
    steps = Array2D((None, math.prod(signal.shape[1:])), "float32")
    records = ((n, signal.reshape(len(signal), -1), y) for n, signal, y in npz_records(inputs))
    _write(records, Features({**_REST, "signal": steps}), output)


def _write(records: Iterable[Record], features: Features, folder: str) -> None:
    def rows() -> Iterable[dict]:
        for name, signal, label in records:
            yield {"id": name, "signal": signal, "label": label}

    # With a name of its own, it does not pickle the generator to make one.
    Dataset.from_generator(rows, features=features, cache_dir=folder, fingerprint="bench")


def batches(
    recordings: PlainArrays, folder: str, batch_size: int, epochs: int, workers: int
) -> Callable[[], Iterable]:
    """What goes through so many epochs, bucketed by length."""
    (path,) = pathlib.Path(folder).rglob("*.arrow")
    step_shape = recordings.signal.shape[1:]

    def padded_rows(rows: list[dict]) -> tuple[torch.Tensor, ...]:
        signals = (torch.tensor(row["signal"]).reshape(-1, *step_shape) for row in rows)
        return collate([*zip(signals, (torch.tensor(row["label"]) for row in rows), strict=True)])

    rows = Dataset.from_file(str(path)).select_columns(["signal", "label"]).with_format("numpy")
    return bucketed(rows, recordings, batch_size, epochs, workers, padded_rows)

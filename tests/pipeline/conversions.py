"""Runs conversions in this process, on small files, and reads what they wrote."""

import hashlib
import json
import pathlib
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from pipeline.conversion.convert import main
from tfrecords_schema import Dataset, open_dataset


class Folders(NamedTuple):
    """Where a test's inputs are and where its dataset goes."""

    inputs: pathlib.Path
    output: pathlib.Path

    @property
    def dataset(self) -> pathlib.Path:
        return self.output / "test" / "1.0.0"


class Outcome(NamedTuple):
    """How a conversion ended."""

    code: int
    text: str


class Converter:
    """Converts the files of one test."""

    def __init__(self, folders: Folders, capture: pytest.CaptureFixture[str]):
        self.folders = folders
        self._capture = capture

    def run(self, *flags: str) -> Outcome:
        """Runs `python -m pipeline` in this process."""
        self._capture.readouterr()
        code = main([*base_flags(self.folders), *flags])
        out, err = self._capture.readouterr()
        return Outcome(code, " ".join((out + err).split()))

    def dataset(self, *flags: str) -> Dataset:
        """Converts, which must succeed, and opens the dataset."""
        outcome = self.run(*flags)
        assert outcome.code == 0, outcome.text
        return open_dataset(str(self.folders.dataset))


def base_flags(folders: Folders) -> list[str]:
    return [
        "--source=signals",
        f"--input_dir={folders.inputs}",
        f"--output_dir={folders.output}",
        "--name=test",
    ]


def write_npz(folders: Folders, name: str, **arrays: Any) -> pathlib.Path:
    path = folders.inputs / f"{name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return path


def write_recordings(folders: Folders, count: int, *, first: int = 0, group_size: int = 1) -> None:
    """Recordings `[3..7, 2]` with one class per step, named after their group and number."""
    for number in range(first, first + count):
        random = np.random.default_rng(number)
        steps = int(random.integers(3, 8))
        write_npz(
            folders,
            f"g{number // group_size:03d}_{number:04d}",
            signal=random.normal(size=(steps, 2)).astype(np.float32),
            label=np.arange(steps) % 2,
        )


def read_records(dataset: Dataset) -> dict[str, dict[str, np.ndarray]]:
    """All records by id, with plain tf.data."""
    records = {}
    for split in dataset.manifest.splits:
        paths = dataset.shard_paths(split)
        for record in tf.data.TFRecordDataset(paths).map(dataset.schema.parse).as_numpy_iterator():
            records[record["id"].decode()] = record
    return records


def rejects(dataset: Dataset) -> list[dict[str, str]]:
    text = (pathlib.Path(dataset.path) / "rejects.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def hashes(folder: pathlib.Path) -> dict[str, str]:
    """SHA-256 of every file under a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }

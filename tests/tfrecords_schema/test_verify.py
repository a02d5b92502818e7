"""Every single flipped bit, every truncation, every stray or missing file is found."""

import pathlib
import shutil

import numpy as np
import pytest

from pipeline import verify as command
from tests.datasets import CLASS_PER_RECORD, random_records, write_dataset
from tfrecords_schema import InputSpec, RecordSchema
from tfrecords_schema.verify import verify_dataset

_SCHEMA = RecordSchema(InputSpec("signal", "float32", (2,)), CLASS_PER_RECORD)


@pytest.fixture
def dataset(tmp_path):
    splits = {name: random_records([3, 1, 4], _SCHEMA, prefix=name) for name in ("train", "test")}
    return pathlib.Path(write_dataset(tmp_path, splits, _SCHEMA).path)


def test_a_whole_dataset_has_no_problem(dataset, capsys):
    assert list(verify_dataset(str(dataset))) == []
    assert command.main([str(dataset) + "/"]) == 0
    assert "whole; 6 records in" in capsys.readouterr().out


def test_every_flipped_bit_and_every_truncation_is_found(dataset):
    rng = np.random.default_rng(7)
    files = sorted(dataset.iterdir())
    missed = []
    for number in range(240):
        path = files[number % len(files)]
        original = path.read_bytes()
        if not original:
            continue
        position = int(rng.integers(len(original)))
        damaged = bytearray(original)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(original[:position] if number % 6 == 0 else bytes(damaged))
        if not list(verify_dataset(str(dataset))):
            missed.append((path.name, position))
        path.write_bytes(original)
    assert missed == []
    assert list(verify_dataset(str(dataset))) == []


def test_missing_and_stray_files_are_named(dataset):
    shard = next(dataset.glob("*train.tfrecord-00000*"))
    shutil.copy(shard, dataset / "toy-train.tfrecord-00000-of-00009")
    shard.unlink()
    problems = list(verify_dataset(str(dataset)))
    assert len(problems) == 2
    assert "00000-of-00009 does not belong to the dataset" in problems[0]
    assert shard.name in problems[1]
    assert "cannot be read (NotFoundError)" in problems[1]


def test_swapped_shards_are_found(dataset):
    first, second = sorted(dataset.glob("*train.tfrecord*"))[:2]
    contents = first.read_bytes(), second.read_bytes()
    first.write_bytes(contents[1])
    second.write_bytes(contents[0])
    problems = list(verify_dataset(str(dataset)))
    assert {first.name in problem or second.name in problem for problem in problems} == {True}


def test_a_folder_that_is_no_dataset_says_so(tmp_path, capsys):
    assert command.main([str(tmp_path)]) == 1
    assert "has no manifest.json" in capsys.readouterr().out

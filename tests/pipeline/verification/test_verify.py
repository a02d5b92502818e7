"""Every single flipped bit, every truncation, every stray or missing file is found."""

import dataclasses
import json
import os
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from pipeline import verify as command
from pipeline.verification import verify
from pipeline.verification.links import linked_files
from pipeline.verification.record_check import check_record
from pipeline.verification.verify import verify_dataset
from tests.datasets import (
    CLASS_PER_RECORD,
    CLASS_PER_STEP,
    CLASSES_PER_STEP,
    SIGNAL_AND_CLASS,
    two_splits,
)
from tfrecords_schema import (
    DatasetError,
    IndexRow,
    InputSpec,
    RecordSchema,
    ShardEntry,
    hash_file,
    open_dataset,
    read_rows,
    write_index,
)
from tfrecords_schema.dataset import read_manifest
from tfrecords_schema.manifest import sealed_json


@pytest.fixture
def dataset(tmp_path):
    return pathlib.Path(two_splits(tmp_path).path)


def _first_shard(dataset):
    return next(dataset.glob("*train.tfrecord-00000*"))


def test_a_whole_dataset_has_no_problem(dataset, capsys):
    assert list(verify_dataset(str(dataset))) == []
    assert command.main([str(dataset) + "/"]) == 0
    said = capsys.readouterr().out
    assert "whole; 6 records in" in said
    assert f"seal {read_manifest(str(dataset)).seal}" in said


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


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("name", ["toy-train.tfrecord-00000*", "index.parquet", "features.json"])
def test_what_never_ends_is_not_read(dataset, name):
    (path,) = dataset.glob(name)
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero"), _sparse):
        path.unlink()
        make(path)
        assert any(problem.startswith(str(path)) for problem in verify_dataset(str(dataset)))


def _sparse(path):
    path.touch()
    os.truncate(path, 1 << 42)


def test_missing_and_stray_files_are_named(dataset):
    shard = _first_shard(dataset)
    shutil.copy(shard, dataset / "toy-train.tfrecord-00000-of-00009")
    shard.unlink()
    problems = list(verify_dataset(str(dataset)))
    assert len(problems) == 2
    assert "00000-of-00009 does not belong to the dataset" in problems[0]
    assert shard.name in problems[1]
    assert "cannot be read (NotFoundError)" in problems[1]


@pytest.mark.parametrize("name", ["toy-train.tfrecord-00000*", "index.parquet", "manifest.json"])
def test_a_link_to_a_good_file_is_named(name, dataset, tmp_path, capsys):
    (path,) = dataset.glob(name)
    path.rename(tmp_path / "else\nwhere")
    path.symlink_to(tmp_path / "else\nwhere")
    assert command.main([str(dataset)]) == 0
    said = capsys.readouterr().out
    assert "whole; 6 records in" in said
    assert f"what links lead to: {path} to {tmp_path}/else\\nwhere; copy the folder" in said


def test_a_linked_shard_of_a_selection_and_a_linked_folder_are_named(dataset, tmp_path, capsys):
    shard = _first_shard(dataset)
    shard.rename(tmp_path / "shard")
    shard.symlink_to(tmp_path / "shard")
    (dataset / "folder").symlink_to(tmp_path)
    selection = dataclasses.replace(read_manifest(str(dataset)), shards_of=str(dataset))
    assert list(linked_files(str(tmp_path / "selection"), selection)) == [
        (str(shard), str(tmp_path / "shard"))
    ]
    (problem,) = verify_dataset(str(dataset))
    assert f"{dataset}/folder does not belong to the dataset" in problem


def test_what_an_interrupted_conversion_left_is_named(dataset):
    (dataset / ".conversion").mkdir()
    (problem,) = verify_dataset(str(dataset))
    assert ".conversion was left by a conversion that runs or was interrupted; run it" in problem


def test_swapped_shards_are_found(dataset):
    first, second = sorted(dataset.glob("*train.tfrecord*"))[:2]
    contents = first.read_bytes(), second.read_bytes()
    first.write_bytes(contents[1])
    second.write_bytes(contents[0])
    problems = list(verify_dataset(str(dataset)))
    assert {first.name in problem or second.name in problem for problem in problems} == {True}


def _reseal(dataset, change):
    """Writes the manifest again, as a program of one's own would: every checksum fits."""
    manifest = read_manifest(str(dataset))
    files = {name: hash_file(str(dataset / name)) for name in manifest.files}
    splits = {
        name: dataclasses.replace(
            entry,
            shards=tuple(
                ShardEntry(shard.file, shard.records, *dataclasses.astuple(found))
                for shard in entry.shards
                for found in [hash_file(str(dataset / shard.file))]
            ),
        )
        for name, entry in manifest.splits.items()
    }
    manifest = dataclasses.replace(manifest, **{"files": files, "splits": splits, **change})
    (dataset / "manifest.json").write_text(manifest.to_json())


_OTHER_SCHEMAS = {
    "dtype": (RecordSchema(InputSpec("signal", "int64", (2,)), CLASS_PER_RECORD), "24 bytes, exp"),
    "shape": (RecordSchema(InputSpec("signal", "float32", (3,)), CLASS_PER_RECORD), "expected 36"),
    "label": (RecordSchema(InputSpec("signal", "float32", (2,))), "the features id, label, signal"),
    "steps": (RecordSchema(InputSpec("signal", "float32", (2,)), CLASS_PER_STEP), "0 arrays of 1"),
    "frames": (RecordSchema(InputSpec("frames", "uint8", (2, 2, 3))), "expected frames, id"),
}


@pytest.mark.parametrize("name", _OTHER_SCHEMAS)
def test_records_of_another_schema_are_found_though_every_checksum_fits(dataset, name):
    schema, message = _OTHER_SCHEMAS[name]
    _reseal(dataset, {"schema": schema, "statistics": None})
    problems = list(verify_dataset(str(dataset)))
    assert len(problems) == 6
    assert all("at byte" in problem for problem in problems)
    assert any(message in problem for problem in problems), problems


def test_swapped_records_and_unknown_classes_are_found_though_every_checksum_fits(dataset):
    with tf.io.TFRecordWriter(str(_first_shard(dataset))) as writer:
        writer.write(SIGNAL_AND_CLASS.encode("train0", np.zeros((3, 2), np.float32), 7))
    shard = sorted(dataset.glob("*train.tfrecord-00001*"))[0]
    with tf.io.TFRecordWriter(str(shard)) as writer:
        writer.write(SIGNAL_AND_CLASS.encode("train9", np.zeros((1, 2), np.float32), 1))
    _reseal(dataset, {})
    problems = "\n".join(verify_dataset(str(dataset)))
    assert "record 'train0' at byte 0 is not what the index says: label: class 7 to 7" in problems
    assert "record 'train1' at byte 0 is not what the index says: its id is [b'train9']" in problems


def test_what_is_neither_there_nor_not_is_no_label_of_several_classes():
    schema = RecordSchema(InputSpec("signal", "float32", (2,)), CLASSES_PER_STEP)
    record = schema.encode("a", np.zeros((1, 2), np.float32), np.array([[0, 1, 2]], np.int8))
    row = IndexRow("a", "", "train", 0, 0, len(record) + 16, 1, 0, "a.npz", "")
    assert check_record(record, row, schema).problem == "label: 0 to 2, expected 0 to 1"


def test_a_manifest_that_names_files_elsewhere_is_refused(dataset):
    text = (dataset / "manifest.json").read_text()
    value = json.loads(text)
    value["splits"]["train"]["shards"][0]["file"] = "../../elsewhere"
    (dataset / "manifest.json").write_text(sealed_json(value))
    (problem,) = verify_dataset(str(dataset))
    assert "file of the manifest '../../elsewhere' is no plain name" in problem


def test_a_folder_that_is_no_dataset_says_so(tmp_path, capsys):
    assert command.main([str(tmp_path)]) == 1
    assert "has no manifest.json" in capsys.readouterr().out


# ---- Resealed: every checksum fits, as anyone can make them ---------------------------------


def _resealed_problems(dataset, change):
    _reseal(dataset, change)
    return "\n".join(verify_dataset(str(dataset)))


def test_statistics_that_are_not_of_the_records_are_found(dataset):
    before = read_manifest(str(dataset)).statistics
    for name in ("mean", "deviation", "minimum", "maximum"):
        other = (getattr(before, name)[0], getattr(before, name)[1] + 1e-5)
        changed = dataclasses.replace(before, **{name: other})
        found = _resealed_problems(dataset, {"statistics": changed})
        assert f"the {name} of channel 1 is {getattr(before, name)[1]:.9g} in" in found
    changed = dataclasses.replace(before, count=before.count + 1)
    assert "statistics are not of the" in _resealed_problems(dataset, {"statistics": changed})


def test_counts_that_are_not_of_the_records_are_found(dataset):
    manifest = read_manifest(str(dataset))
    entry, text = manifest.splits["train"], (dataset / "manifest.json").read_text()
    for change, said in (
        ({"groups": 7}, "has 2 groups in the index, the manifest says 7"),
        ({"steps": 7}, "has 8 steps in the index, the manifest says 7"),
        ({"length_histogram": {4: 2}}, "the histogram of lengths is not that of the index"),
        ({"class_counts": {**entry.class_counts, "fall": 99}}, "the manifest says 99"),
        ({"class_counts": {**entry.class_counts, "fly": 0}}, "has 0 labels of class 'fly'"),
    ):
        splits = {**manifest.splits, "train": dataclasses.replace(entry, **change)}
        assert said in _resealed_problems(dataset, {"splits": splits})
        (dataset / "manifest.json").write_text(text)


def _rewrite_index(dataset, change):
    rows = list(read_rows(str(dataset / "index.parquet")))
    write_index(str(dataset / "index.parquet"), [change(row) for row in rows])


def test_a_group_in_two_splits_is_found(dataset):
    _rewrite_index(dataset, lambda row: dataclasses.replace(row, group="all"))
    assert "group 'all' is in two splits" in _resealed_problems(dataset, {})


def test_names_of_classes_in_another_order_are_found(dataset):
    names = ("rest", "move", "fall")
    labels = {
        parsed["id"].numpy().decode(): names[int(parsed["label"])]
        for path in dataset.glob("*.tfrecord-*")
        for parsed in map(SIGNAL_AND_CLASS.parse, tf.data.TFRecordDataset(str(path)))
    }
    _rewrite_index(dataset, lambda row: dataclasses.replace(row, label=labels[row.id]))
    assert not _resealed_problems(dataset, {})
    label = dataclasses.replace(CLASS_PER_RECORD, class_names=("move", "rest", "fall"))
    schema = dataclasses.replace(SIGNAL_AND_CLASS, label=label)
    assert "by the names of the classes, and" in _resealed_problems(dataset, {"schema": schema})


def test_records_that_no_reader_takes_are_found_though_the_hash_of_the_shard_fits(dataset):
    content = bytearray(_first_shard(dataset).read_bytes())
    content[-1] ^= 1
    _first_shard(dataset).write_bytes(content)
    assert "its checksum does not fit, so no reader" in _resealed_problems(dataset, {})


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_found(value, dataset):
    with tf.io.TFRecordWriter(str(_first_shard(dataset))) as writer:
        data = np.full((3, 2), value, np.float32)
        writer.write(SIGNAL_AND_CLASS.encode("train0", data, 0))
    assert "signal: it holds NaN or infinity" in _resealed_problems(dataset, {})


def test_an_index_of_more_rows_than_there_are_records_is_refused_unread(dataset, monkeypatch):
    rows = list(read_rows(str(dataset / "index.parquet")))
    write_index(str(dataset / "index.parquet"), rows * 1000)
    _reseal(dataset, {})
    monkeypatch.setattr(verify, "read_rows", None)
    said = "index.parquet has 6000 rows, the manifest says 6; convert again"
    assert said in "\n".join(verify.verify_dataset(str(dataset)))
    with pytest.raises(DatasetError, match=said):
        open_dataset(str(dataset))


def test_sizes_in_the_index_that_no_record_has_are_found(dataset):
    _rewrite_index(dataset, lambda row: dataclasses.replace(row, size_bytes=-1))
    assert "is said to have -1 bytes" in _resealed_problems(dataset, {})


@pytest.mark.parametrize(
    ("steps", "message"),
    [(2**31 - 1, "has more steps in toy-train"), (-1, "has a record of fewer than 0 steps")],
)
def test_steps_that_no_shard_can_hold_are_refused_before_memory_is_taken(steps, message, dataset):
    _rewrite_index(dataset, lambda row: dataclasses.replace(row, steps=steps))
    assert "is not what the index says" in _resealed_problems(dataset, {})
    with pytest.raises(DatasetError, match=message):
        open_dataset(str(dataset)).split("train")

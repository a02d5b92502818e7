import dataclasses
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from tests.changed_json import changed
from tests.datasets import (
    SIGNAL_AND_CLASS,
    VALUE_SEQUENCE,
    random_records,
    toy_dataset,
    two_splits,
)
from tfrecords_schema import (
    DatasetError,
    open_dataset,
    read_rows,
    write_index,
)
from tfrecords_schema.manifest import sealed_json


@pytest.fixture
def dataset(tmp_path):
    return two_splits(tmp_path)


def test_a_dataset_opens_with_what_was_written(dataset):
    opened = open_dataset(dataset.path + "/")
    assert opened.manifest == dataset.manifest
    assert opened.schema == SIGNAL_AND_CLASS
    assert sorted(opened.split("train").steps) == [1, 3, 4]
    assert all(pathlib.Path(path).exists() for path in opened.shard_paths("test"))


def test_tensorflow_datasets_and_plain_parsing_read_the_same_records(dataset):
    theirs = tfds.builder_from_directory(dataset.path).as_dataset(split="train")
    plain = tf.data.TFRecordDataset(dataset.shard_paths("train")).map(
        lambda raw: tf.io.parse_single_example(
            raw, {"signal": tf.io.FixedLenFeature([], tf.string)}
        )["signal"]
    )
    found = {example["id"].numpy().decode(): example["signal"].numpy() for example in theirs}
    for record in random_records([3, 1, 4], SIGNAL_AND_CLASS, prefix="train"):
        np.testing.assert_array_equal(found[record.id], record.data)
    decoded = sorted(np.frombuffer(raw.numpy(), np.float32).sum() for raw in plain)
    np.testing.assert_allclose(decoded, sorted(signal.sum() for signal in found.values()))


def test_a_refusal_that_is_handed_on_stays_one_line(dataset):
    path = pathlib.Path(dataset.path)
    (path / "manifest.json").unlink()
    (path / ".conversion").mkdir()
    said = "it is empty\n/data: whole; 9 records, all checked"
    (path / ".conversion" / "outcome.json").write_text(json.dumps({"refusal": said}))
    with pytest.raises(DatasetError, match="nothing, as it is empty /data: whole") as found:
        open_dataset(dataset.path)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("place", ["http://10.0.0.1/a", "sftp://host/a", "zip://a::http://b"])
def test_a_selection_asks_no_server_that_is_no_store(place, dataset):
    path = pathlib.Path(dataset.path, "manifest.json")
    value = {**json.loads(path.read_text()), "shards_of": place}
    path.write_text(sealed_json(value))
    with pytest.raises(DatasetError, match=r"shards_of: got .*a folder or an object store"):
        open_dataset(dataset.path)


def _remove_manifest(path):
    (path / "manifest.json").unlink()


def _interrupt(path):
    _remove_manifest(path)
    (path / ".conversion").mkdir()


def _other_version(path):
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**manifest, "format_version": 99}))


def _incomplete(path):
    manifest = json.loads((path / "manifest.json").read_text())
    del manifest["schema"]
    (path / "manifest.json").write_text(sealed_json(manifest))


def _rename(path):
    text = (path / "manifest.json").read_text()
    (path / "manifest.json").write_text(text.replace('"toy"', '"tty"', 1))


def _reformat(path):
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(manifest))


def _garbage(path):
    (path / "manifest.json").write_text("{")


def _binary(path):
    (path / "manifest.json").write_bytes(b"\xff\xfe")


def _shard(path):
    return next(path.glob("*.tfrecord-00000-*"))


def _remove_shard(path):
    _shard(path).unlink()


def _cut_shard(path):
    _shard(path).write_bytes(_shard(path).read_bytes()[:-1])


def _remove_index(path):
    (path / "index.parquet").unlink()


def _flip_index(path):
    content = bytearray((path / "index.parquet").read_bytes())
    content[len(content) // 2] ^= 1
    (path / "index.parquet").write_bytes(content)


def _cut_index(path):
    content = (path / "index.parquet").read_bytes()
    (path / "index.parquet").write_bytes(content[:-1])


def _forget_index(path):
    manifest = json.loads((path / "manifest.json").read_text())
    del manifest["files"]["index.parquet"]
    (path / "manifest.json").write_text(sealed_json(manifest))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_remove_manifest, "has no manifest.json, so it is not a dataset folder"),
        (_interrupt, "still running or was interrupted; run the same conversion command again"),
        (_other_version, "has format version 99, this program reads 1; convert again"),
        (_incomplete, "the manifest is incomplete .*schema.*; convert again"),
        (_garbage, "the manifest is not readable"),
        (_binary, "manifest.json: 'utf-8' codec"),
        (_rename, "manifest.json: the manifest is not as it was written, its checksum does not"),
        (_reformat, "the manifest is not as it was written"),
        (_remove_shard, r"00000-of.* is missing; copy it again"),
        (_cut_shard, r"00000-of.* has \d+ bytes, the manifest says \d+"),
        (_remove_index, "index.parquet is missing; copy it again"),
        (_flip_index, "index.parquet is not the index that the manifest was written with"),
        (_cut_index, r"index.parquet has \d+ bytes, the manifest says \d+"),
        (_forget_index, "index.parquet says nothing of it; convert again"),
    ],
)
def test_a_damaged_folder_says_what_is_wrong(dataset, damage, message):
    damage(pathlib.Path(dataset.path))
    with pytest.raises(DatasetError, match=message):
        open_dataset(dataset.path)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (["options", "sample_rate_hz"], "1e400", "options.sample_rate_hz: got '1e400', expected"),
        (["options", "sample_rate_hz"], float("nan"), "sample_rate_hz: got nan, which no"),
        (["options", "channels"], 3, "options.channels: got 3, expected a list"),
        (["options", "units"], [None], r"options.units\[0\]: got None, expected a text"),
        (["shards_of"], "a\0b", "shards_of: got 'a.x00b', which no dataset has"),
        (["shards_of"], "a" * 5000, "cannot be read .*File name too long"),
        (
            ["schema", "label", "class_names"],
            ["\ud800", "b"],
            "class name that is no valid Unicode",
        ),
    ],
)
def test_a_value_that_no_conversion_writes_is_refused_though_its_checksum_fits(
    place, value, message, tmp_path
):
    path = pathlib.Path(two_splits(tmp_path).path)
    manifest = json.loads((path / "manifest.json").read_text())
    inside = manifest
    for name in place[:-1]:
        inside = inside[name]
    inside[place[-1]] = value
    (path / "manifest.json").write_text(sealed_json(manifest))
    with pytest.raises(DatasetError, match=message):
        open_dataset(str(path))


def test_a_missing_folder_says_what_to_give(tmp_path):
    with pytest.raises(DatasetError, match=r"no dataset folder at .*nowhere; give <output_dir>/"):
        open_dataset(str(tmp_path / "nowhere"))


def test_a_row_of_a_shard_that_is_not_there_is_refused(dataset):
    rows = [
        dataclasses.replace(row, shard=99) for row in read_rows(f"{dataset.path}/index.parquet")
    ]
    write_index(f"{dataset.path}/index.parquet", rows)
    with pytest.raises(DatasetError, match="split 'train' has rows of shard 99, there are 3"):
        dataset.split("train")


@pytest.mark.parametrize("offset", [-1, 10**6])
def test_a_row_at_a_place_outside_of_its_shard_is_refused(offset, dataset):
    first, *rest = read_rows(f"{dataset.path}/index.parquet")
    changed = dataclasses.replace(first, offset=offset)
    write_index(f"{dataset.path}/index.parquet", [changed, *rest])
    with pytest.raises(DatasetError, match=rf"record at byte {offset} of a shard, the largest has"):
        dataset.split(first.split)


@pytest.mark.parametrize(
    ("steps", "message"),
    [(2**31 - 1, "has more steps in toy-train"), (-1, "has a record of fewer than 0 steps")],
)
def test_label_steps_that_no_shard_can_hold_are_refused(steps, message, tmp_path):
    dataset, _ = toy_dataset(tmp_path, label=VALUE_SEQUENCE)
    first, *rest = read_rows(f"{dataset.path}/index.parquet")
    changed = dataclasses.replace(first, label_steps=steps)
    write_index(f"{dataset.path}/index.parquet", [changed, *rest])
    with pytest.raises(DatasetError, match=message):
        dataset.split("train")


def test_an_index_is_loaded_once_as_long_as_it_is_in_use(dataset):
    used = dataset.split("train")
    assert open_dataset(dataset.path).split("train") is used
    assert dataset.split("test") is not used
    offset = used.offset
    del used
    assert dataset.split("train").offset is not offset


def test_an_unknown_split_is_named_with_a_suggestion(dataset):
    with pytest.raises(DatasetError, match="has no split 'tset', it has test, train; did you mean"):
        dataset.split("tset")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("statistics", "mean"), [0.0], "statistics: got others than of 3 channels"),
        (("statistics", "deviation"), [-1.0, 1.0, 1.0], "or a deviation below 0"),
        (("statistics", "maximum"), [float("nan"), 1.0, 1.0], "statistics: got NaN"),
        (("statistics", "count"), 0, "statistics: got others"),
        (("splits", "train", "records"), -1, r"splits\['train'\].records: got -1"),
        (("splits", "train", "length_histogram"), {"-3": 1}, "got a length below 0"),
        (("splits", "train", "shards", 0, "records"), 10**30, r"shards\[0\]: got 1000"),
        (("schema", "input", "step_shape"), [-3], "input shape of a step: got .-3."),
        (("schema", "input", "step_shape"), [2**31], "that take 2147483647 bytes"),
        (("schema", "label", "class_names"), ["a", "a"], "got a class name twice"),
    ],
)
def test_a_manifest_of_numbers_that_no_dataset_has_is_refused(path, value, message, tmp_path):
    file = pathlib.Path(toy_dataset(tmp_path)[0].path, "manifest.json")
    found = changed(json.loads(file.read_text()), path, value)
    del found["checksum"]
    file.write_text(sealed_json(found))
    with pytest.raises(DatasetError, match=message):
        open_dataset(str(file.parent))

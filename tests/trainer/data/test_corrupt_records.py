"""Training, evaluation and prediction name the record that they cannot read."""

import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf

from pipeline.batches.plan import BatchOptions, EpochPlan
from pipeline.inspect.samples import read_samples
from tests.datasets import CLASS_PER_RECORD, CLASS_PER_STEP, VALUE_SEQUENCE, toy_dataset
from tfrecords_schema import DatasetError, open_dataset
from trainer.data.split_data import NamingBatches, SplitData
from trainer.runs.trained_on import contents_of


def _read(split, strategy):
    plan = split.plan(seed=3)
    batches, _ = split.batches(plan, strategy, start_step=1)
    for _ in range(1, plan.num_steps):
        next(batches)


def _in_order(split, _):
    list(split.in_order())


def _flip(path, offset):
    content = bytearray(path.read_bytes())
    content[offset] ^= 4
    path.write_bytes(bytes(content))


def _written_anew(path, change):
    """Puts records of as many bytes in the place of all, with checksums that fit."""
    records = [change(record.numpy()) for record in tf.data.TFRecordDataset(str(path))]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


def _other_schema(path, offset):
    passed = 0

    def change(record):
        nonlocal passed
        begin, passed = passed, passed + len(record) + 16
        return record.replace(b"signal", b"sounds") if begin <= offset < passed else record

    _written_anew(path, change)


def _in_another_order(record):
    """The same Example, its features the other way round."""
    entries = tf.train.Example.FromString(record).features.feature.items()
    feature = tf.train.Features
    parts = [feature(feature={name: one}).SerializeToString() for name, one in sorted(entries)]
    head = record[: len(record) - sum(map(len, parts))]
    return head + b"".join(reversed(parts))


@pytest.mark.parametrize("shape", [(3,), (300, 4)], ids=["small", "large"])
@pytest.mark.parametrize("label", [CLASS_PER_STEP, VALUE_SEQUENCE])
def test_features_in_another_order_are_the_same_batches(tmp_path, label, shape):
    dataset, _ = toy_dataset(tmp_path, label=label, sizes={"train": 7}, step_shape=shape)
    split = SplitData(dataset, "train", BatchOptions(batch_size=3))
    expected = [tf.nest.map_structure(np.array, batch) for batch in split.in_order()]
    for shard in dataset.shard_paths("train"):
        _written_anew(shard, _in_another_order)
    for before, now in zip(expected, split.in_order(), strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, before, dict(now))


def test_a_label_of_no_class_is_named(tmp_path):
    dataset, _ = toy_dataset(tmp_path, label=CLASS_PER_RECORD, sizes={"train": 3}, num_shards=1)
    classes = len(CLASS_PER_RECORD.class_names)

    def change(record):
        example = tf.train.Example.FromString(record)
        example.features.feature["label"].int64_list.value[0] = classes
        return example.SerializeToString(deterministic=True)

    (shard,) = dataset.shard_paths("train")
    _written_anew(shard, change)
    split = SplitData(dataset, "train", BatchOptions())
    with pytest.raises(DatasetError, match=r"record 'train-.' at byte .* is damaged, or not what"):
        _in_order(split, None)
    with pytest.raises(DatasetError, match="the record at byte 0 is damaged"):
        read_samples(dataset, "train", np.array([0]))


@pytest.mark.parametrize("content", [b"", b"\xff" * 50, b"\x0b" * 1000])
def test_what_is_no_record_is_named_where_its_checksum_fits(tmp_path, content):
    dataset, _ = toy_dataset(tmp_path, sizes={"train": 1}, num_shards=1)
    (shard,) = dataset.shard_paths("train")
    _written_anew(shard, lambda _: content)
    with pytest.raises(DatasetError, match=rf"{shard}: the record at byte 0 is damaged"):
        read_samples(dataset, "train", np.array([0]))
    if content:
        with pytest.raises(DatasetError, match="a record of split 'train' is damaged"):
            contents_of(dataset, "train")


@pytest.mark.parametrize("read", [_read, _in_order])
@pytest.mark.parametrize("damage", [_flip, _other_schema])
@pytest.mark.parametrize("label", [CLASS_PER_STEP, VALUE_SEQUENCE])
def test_a_corrupt_record_is_named_with_shard_id_and_offset(tmp_path, label, damage, read):
    dataset, _ = toy_dataset(tmp_path, label=label, sizes={"train": 12}, num_shards=2)
    split = SplitData(dataset, "train", BatchOptions(batch_size=3, num_buckets=2))
    row = int(split.plan(seed=3).rows(2)[1])
    index = split.index
    shard = pathlib.Path(dataset.shard_paths("train")[index.shard[row]])
    damage(shard, int(index.offset[row]) + 20)
    message = (
        f"{shard}: record '{index.ids()[row]}' at byte {index.offset[row]} (row {row} of split "
        f"'train', from {index.sources()[row]}) is damaged, or not what the index says"
    )
    with pytest.raises(DatasetError, match=re.escape(message)):
        read(split, tf.distribute.get_strategy())


@pytest.mark.parametrize("read", [_read, _in_order])
def test_a_shard_that_is_gone_is_named_and_not_waited_for(tmp_path, read):
    dataset, _ = toy_dataset(tmp_path, sizes={"train": 12}, num_shards=1)
    split = SplitData(dataset, "train", BatchOptions(batch_size=3, num_buckets=2))
    (shard,) = map(pathlib.Path, dataset.shard_paths("train"))
    shard.unlink()
    with pytest.raises(
        DatasetError, match=rf"{shard}: record 'train-.*' .* is gone with its shard"
    ):
        read(split, tf.distribute.get_strategy())


def test_a_corrupt_partner_is_named(tmp_path):
    dataset, _ = toy_dataset(tmp_path, sizes={"train": 3}, num_shards=1)
    split = SplitData(dataset, "train", BatchOptions())
    _flip(pathlib.Path(dataset.shard_paths("train")[0]), int(split.index.offset[1]) + 20)
    first, starts = np.array([0], np.int32), np.array([0, 1], np.int32)
    plan = EpochPlan(first, starts, split.lengths[:1], 1, partners=first + 1)
    batches, _ = split.batches(plan, tf.distribute.get_strategy())
    with pytest.raises(DatasetError, match=r"record 'train-1' at byte .* is damaged"):
        next(batches)


def test_a_split_that_may_not_be_read_is_no_output_that_may_not_be_written(tmp_path, monkeypatch):
    dataset, _ = toy_dataset(tmp_path)
    denied = tf.errors.PermissionDeniedError(None, None, "shard; Permission denied")
    split = SplitData(dataset, "train", BatchOptions(batch_size=4))

    def refused():
        raise denied
        yield

    batches = NamingBatches(refused(), split, split.plan())
    message = r"split 'train' of .*1.0.0 cannot be read \(shard; Permission denied\); make it"
    with pytest.raises(DatasetError, match=message):
        next(batches)
    monkeypatch.setattr("tfrecords_schema.storage.tf.io.gfile.GFile", lambda *_: next(refused()))
    with pytest.raises(DatasetError, match=r"manifest.json cannot be read \(shard; Permission"):
        open_dataset(dataset.path)

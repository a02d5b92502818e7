"""Training, evaluation and prediction name the record that they cannot read."""

import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf

from pipeline.batches.plan import BatchOptions, EpochPlan
from tests.datasets import CLASS_PER_STEP, VALUE_SEQUENCE, toy_dataset
from tfrecords_schema import DatasetError, open_dataset
from trainer.data.split_data import NamingBatches, SplitData


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


def _other_schema(path, offset):
    """A record of as many bytes in its place, with checksums that fit."""
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(path))]
    number = [i for i, _ in enumerate(records) if sum(len(r) + 16 for r in records[:i]) <= offset]
    records[number[-1]] = records[number[-1]].replace(b"signal", b"sounds")
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


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

import numpy as np
import pytest

from pipeline.batches.plan import BatchOptions
from tests.datasets import Record, toy_dataset, write_dataset
from tfrecords_schema import Head, InputSpec, LabelSpec, RecordSchema
from tfrecords_schema.labels import side_by_side
from trainer.data.split_data import SplitData, class_weights
from trainer.options.options import DataOptions


def test_each_part_of_the_replicas_gets_rows_of_its_own(tmp_path):
    dataset, records = toy_dataset(tmp_path)
    split = SplitData(dataset, "train", BatchOptions(batch_size=4, num_buckets=2))
    plan = split.plan()
    parts = [split.read(plan, num_replicas=2, replicas=range(i, i + 1)) for i in range(2)]
    rows = [np.concatenate([batch["record"] for batch in part]) for part in parts]
    rows = np.concatenate(rows)
    assert sorted(rows[rows >= 0]) == [*range(len(records["train"]))]


def test_a_plan_is_made_once_until_another_is_asked_for(tmp_path):
    split = SplitData(toy_dataset(tmp_path)[0], "train", BatchOptions(batch_size=4))
    plan = split.plan(seed=1)
    assert split.plan(seed=1) is plan
    again = [split.plan(seed=1, epoch=1), split.plan(shuffle=False), split.plan(seed=1)]
    assert all(one is not plan for one in again)
    np.testing.assert_array_equal(again[-1].records, plan.records)
    split.options = BatchOptions(batch_size=5)
    assert split.plan(seed=1).num_steps != plan.num_steps


def test_balanced_weights_of_several_labels_are_those_of_each_alone(tmp_path):
    """A label of the recording among those of steps is counted once a recording."""
    stage = LabelSpec("step", "class", class_names=("a", "b"))
    tags = LabelSpec("record", "classes", "int8", (2,), ("x", "y"), has_missing=True)
    several = LabelSpec.of_heads([Head("stage", stage), Head("tags", tags)])
    records = []
    for number, (steps, given) in enumerate(
        [(3, [1, 0]), (5, [0, 1]), (2, [1, -1]), (4, [-1, -1])]
    ):
        own = {"stage": np.arange(steps) % 2, "tags": np.array(given, np.int8)}
        data = np.zeros((steps, 1), np.float32)
        records.append(Record(f"r{number}", data, side_by_side(own, several, steps)))
    schema = RecordSchema(InputSpec("signal", "float32", (1,)), several)
    dataset = write_dataset(tmp_path, {"train": records}, schema)
    found = class_weights(dataset, several, DataOptions(class_weights=("balanced",)))
    assert found == pytest.approx((14 / (2 * 8), 14 / (2 * 6), (3 - 2) / 2, (3 - 1) / 1))

"""Sequences of labels of which some, or all, have no step."""

import dataclasses
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.datasets import VALUE_SEQUENCE, random_records, write_dataset
from tests.trainer.in_process import run_trainer
from tfrecords_schema import InputSpec, LabelSpec, RecordSchema

_CLASSES = LabelSpec("sequence", "class", class_names=("a", "b"))
_MODEL = ("--model=sequence", "--conv_filters=", "--conv_strides=", "--rnn_units=3", "--epochs=1")
_REST = ("--batch_size=1", "--num_buckets=1", "--notensorboard")


def _records(label, prefix, empty):
    """Four records; those of these numbers have a label of no step."""
    schema = RecordSchema(InputSpec("signal", "float32", (2,)), label)
    records = random_records([1] * 4, schema, prefix=prefix)
    for number in empty:
        records[number] = dataclasses.replace(records[number], label=records[number].label[:0])
    return records, schema


def _places(tmp_path, label, **empty):
    splits = {name: _records(label, name, numbers) for name, numbers in empty.items()}
    schema = splits["train"][1]
    dataset = write_dataset(tmp_path, {name: found[0] for name, found in splits.items()}, schema)
    return [f"--dataset={dataset.path}", f"--run_dir={tmp_path}/run"]


@pytest.mark.parametrize("label", [VALUE_SEQUENCE, _CLASSES], ids=lambda label: label.kind)
def test_records_without_a_label_step_are_trained_evaluated_and_predicted(label, tmp_path):
    places = _places(tmp_path, label, train=[0], validation=[3], test=[1, 2])
    assert run_trainer(*places, *_MODEL, *_REST) == 0
    found = json.loads((tmp_path / "run" / "evaluation-test.json").read_text())
    assert found["records"] == 4
    with np.load(tmp_path / "run" / "predictions-test.npz") as stored:
        assert stored["lengths"][1:3].tolist() == [0, 0]
        assert found["labels"] == stored["lengths"].sum()
    output = tmp_path / "new" / "p.parquet"  # The folder is made.
    assert run_trainer("--mode=predict", *places, f"--output={output}") == 0
    table = pq.read_table(output).to_pydict()
    if label.kind == "value":
        means = [table["prediction_1"], table["prediction_2"]]
        np.testing.assert_array_equal(np.isnan(means), [[False, True, True, False]] * 2)
    else:
        shares = [table["share_a"], table["share_b"]]
        np.testing.assert_array_equal(np.isnan(shares), [[False, True, True, False]] * 2)
        assert [name is None for name in table["prediction"]] == [False, True, True, False]


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_split_without_any_label_step_is_refused(split, tmp_path, capsys):
    empty = {name: range(4) if name == split else [] for name in ("train", "validation", "test")}
    assert run_trainer(*_places(tmp_path, VALUE_SEQUENCE, **empty), *_MODEL, *_REST) == 1
    assert f"no record of split '{split}' has a label of a step" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()

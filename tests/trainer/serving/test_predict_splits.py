"""Predictions of splits whose labels are not those of the model: forecasts, and sequences."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.datasets import CLASS_PER_STEP, VALUE_SEQUENCE, random_records, write_dataset
from tests.trainer.in_process import run_trainer
from tests.trainer.restored import restore
from tfrecords_schema import InputSpec, RecordSchema

_INPUT = InputSpec("signal", "float32", (3,))
_TRAINING = ("--rnn_units=4", "--epochs=1", "--num_buckets=1", "--noreport", "--notensorboard")


@pytest.fixture(scope="module")
def forecaster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forecaster")
    schema = RecordSchema(_INPUT)
    dataset = write_dataset(folder, {"train": random_records([6, 9, 7, 8], schema)}, schema)
    model = ["--model=forecaster", "--horizon_steps=2", "--validation_split=train"]
    assert (
        run_trainer(f"--dataset={dataset.path}", f"--run_dir={folder}/run", *model, *_TRAINING) == 0
    )
    return folder / "run"


@pytest.fixture(scope="module")
def sequences(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sequences")
    schema = RecordSchema(_INPUT, VALUE_SEQUENCE)
    dataset = write_dataset(folder, {"train": random_records([1] * 6, schema)}, schema)
    flags = ["--model=sequence", "--conv_filters=", "--conv_strides=", *_TRAINING]
    assert run_trainer(f"--dataset={dataset.path}", f"--run_dir={folder}/run", *flags) == 0
    return folder / "run"


@pytest.mark.parametrize("label", [None, CLASS_PER_STEP], ids=["unlabelled", "labelled"])
def test_a_split_is_forecast_from_all_that_its_records_hold(label, forecaster, tmp_path):
    schema = RecordSchema(_INPUT, label)
    records = random_records([7, 1, 4], schema, seed=4)
    dataset = write_dataset(tmp_path, {"test": records}, schema)
    places = [f"--dataset={dataset.path}", f"--output={tmp_path}/p.parquet"]
    assert run_trainer("--mode=predict", f"--run_dir={forecaster}", *places) == 0
    found = pq.read_table(tmp_path / "p.parquet").to_pydict()
    assert found["id"] == [record.id for record in records]
    serving = restore(str(forecaster))
    with np.load(tmp_path / "p.npz") as steps:
        outputs = steps["output"].reshape(3, 2, 3)
    for record, output in zip(records, outputs, strict=True):
        inputs = {"signal": record.data[None], "lengths": np.int32([record.steps])}
        np.testing.assert_allclose(output, serving.answer(inputs)["values"][0], atol=1e-6)


@pytest.mark.parametrize(
    ("label", "message"), [(None, "has no labels"), (CLASS_PER_STEP, "has one label per step")]
)
def test_a_sequence_needs_its_number_of_steps(label, message, sequences, tmp_path, capsys):
    schema = RecordSchema(_INPUT, label)
    dataset = write_dataset(tmp_path, {"test": random_records([1, 1], schema)}, schema)
    assert run_trainer("--mode=predict", f"--run_dir={sequences}", f"--dataset={dataset.path}") == 1
    told = capsys.readouterr().err
    assert message in told
    assert "with --input_dir, and --label_steps" in told


def test_a_sequence_is_as_long_as_its_label(sequences, tmp_path):
    schema = RecordSchema(_INPUT, VALUE_SEQUENCE)
    records = random_records([1, 1, 1], schema, seed=2)
    dataset = write_dataset(tmp_path, {"test": records}, schema)
    places = [f"--dataset={dataset.path}", f"--output={tmp_path}/p.csv"]
    assert run_trainer("--mode=predict", f"--run_dir={sequences}", *places) == 0
    with np.load(tmp_path / "p.npz") as steps:
        assert steps["lengths"].tolist() == [len(record.label) for record in records]

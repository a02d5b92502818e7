"""Whole trainings: replicas and kills in processes of their own, refusals."""

import json

import numpy as np
import pytest

from pipeline.console.version import VERSION
from tests.datasets import (
    CLASS_PER_RECORD,
    CLASS_PER_STEP,
    random_records,
    toy_dataset,
    write_dataset,
)
from tests.trainer import processes as runs
from tests.trainer.in_process import run_trainer, train
from tfrecords_schema import InputSpec, RecordSchema

_LENGTHS = [3, 9, 1, 7, 4, 4, 2, 8, 5, 6, 3]  # 11 records: a remainder for every batch of 4
_DETERMINISTIC = ("--deterministic", "--seed=3")


def _dataset(folder, label):
    schema = RecordSchema(InputSpec("signal", "float32", (12, 1)), label)
    splits = {
        "train": random_records(_LENGTHS, schema, prefix="a"),
        "validation": random_records([2, 6, 3], schema, prefix="b", seed=1),
        "test": random_records([5, 1], schema, prefix="c", seed=2),
    }
    return write_dataset(folder, splits, schema).path


@pytest.fixture(scope="module")
def step_dataset(tmp_path_factory):
    return _dataset(tmp_path_factory.mktemp("steps"), CLASS_PER_STEP)


@pytest.fixture(scope="module")
def record_dataset(tmp_path_factory):
    return _dataset(tmp_path_factory.mktemp("records"), CLASS_PER_RECORD)


@pytest.fixture(scope="module")
def undisturbed(step_dataset, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("undisturbed")
    runs.start(step_dataset, run_dir, *_DETERMINISTIC, "--checkpoint_every_steps=1").succeed()
    return run_dir


def test_property_09_replicas_change_no_weight(record_dataset, tmp_path):
    # Steps of 4 records and remainders of fewer: with 4 replicas some have no record.
    dataset, replicas = record_dataset, 4
    flags = ("--dropout=0", "--clip_norm=0.05", "--class_weights=1,2,.5", "--optimizer=sgd")
    on_replicas = runs.start(dataset, tmp_path / "many", *flags, f"--cpu_replicas={replicas}")
    train(dataset, tmp_path / "one", *flags)
    on_replicas.succeed()
    one, many = runs.arrays(tmp_path / "one"), runs.arrays(tmp_path / "many")
    assert one.keys() == many.keys()
    for name, value in one.items():
        assert np.isfinite(value).all()
        np.testing.assert_allclose(many[name], value, atol=1e-6, rtol=1e-6, err_msg=name)
    metrics = [_metrics(tmp_path / run) for run in ("one", "many")]
    for first, second in zip(*metrics, strict=True):
        assert first["train"]["loss"] == pytest.approx(second["train"]["loss"], rel=1e-6)
        assert first["validation"] == pytest.approx(second["validation"], rel=1e-6)


def test_property_10_a_killed_run_ends_in_the_same_weights(step_dataset, undisturbed, tmp_path):
    flags = (*_DETERMINISTIC, "--checkpoint_every_steps=1")
    runs.train_and_kill(step_dataset, tmp_path, "ckpt-4", *flags)
    assert "resuming at epoch" in runs.start(step_dataset, tmp_path, *flags).succeed()
    for stem in ("model", "optimizer"):
        expected, found = runs.arrays(undisturbed, stem), runs.arrays(tmp_path, stem)
        assert expected.keys() == found.keys()
        for name, value in expected.items():
            assert found[name].tobytes() == value.tobytes(), name
    assert _losses(tmp_path) == _losses(undisturbed)


def test_going_on_with_other_options_is_refused_by_name(step_dataset, undisturbed, capsys):
    before = {path: path.read_bytes() for path in undisturbed.rglob("*") if path.is_file()}
    run = (f"--dataset={step_dataset}", f"--run_dir={undisturbed}", *runs.SMALL_MODEL, "--seed=3")
    assert run_trainer(*run, "--learning_rate=0.5") == 1
    assert "--learning_rate was '0.01' and is '0.5'" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in undisturbed.rglob("*") if path.is_file()} == before


def test_a_run_leaves_its_options_versions_metrics_and_evaluation(undisturbed):
    assert "--epochs=2\n" in (undisturbed / "config.flags").read_text()
    versions = json.loads((undisturbed / "versions.json").read_text())
    assert versions["variable-length-training"] == VERSION
    assert versions["parameters"] > versions["trainable_parameters"] > 0
    evaluation = json.loads((undisturbed / "evaluation-test.json").read_text())
    assert evaluation["records"] == 2
    assert np.sum(evaluation["confusion"]) == 6
    assert [line["epoch"] for line in _metrics(undisturbed)] == [0, 1]


def _metrics(run_dir):
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


def _losses(run_dir):
    return [(line["train"], line["validation"]) for line in _metrics(run_dir)]


def test_evaluating_again_measures_the_weights_that_were_measured_before(tmp_path):
    dataset, _ = toy_dataset(tmp_path, sizes={"train": 9, "validation": 4, "test": 4})
    run = [f"--dataset={dataset.path}", f"--run_dir={tmp_path}/run"]
    model = ["--conv_filters=", "--conv_strides=", "--rnn_cell=none", "--learning_rate=3"]
    rest = ["--epochs=4", "--evaluate_with=last", "--noreport", "--notensorboard"]
    assert run_trainer(*run, *model, *rest) == 0
    losses = [line["validation"]["loss"] for line in _metrics(tmp_path / "run")]
    assert min(losses) < losses[-1], "best and last are the same"
    evaluation = tmp_path / "run" / "evaluation-test.json"
    first = evaluation.read_bytes()
    evaluation.unlink()
    assert run_trainer(*run, "--mode=evaluate", "--noreport") == 0
    assert evaluation.read_bytes() == first

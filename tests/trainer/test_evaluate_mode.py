"""`--mode=evaluate` on datasets that the model did not learn from."""

import dataclasses
import json

import numpy as np
import pytest

from tests.datasets import CLASS_PER_RECORD, VALUE_PER_RECORD, toy_dataset, write_dataset
from tests.trainer.in_process import run_trainer

_MODEL = ("--conv_filters=", "--conv_strides=", "--rnn_cell=none", "--num_buckets=1")
_TRAINING = ("--epochs=1", "--learning_rate=0.1", "--noreport", "--notensorboard")


@pytest.fixture(scope="module", params=[CLASS_PER_RECORD, VALUE_PER_RECORD], ids=lambda x: x.kind)
def learnt(request, tmp_path_factory):
    """Folder with a run, its dataset and the records of that by split."""
    folder = tmp_path_factory.mktemp("learnt")
    dataset, splits = toy_dataset(
        folder, label=request.param, sizes={"train": 8, "validation": 3, "test": 5}
    )
    places = [f"--dataset={dataset.path}", f"--run_dir={folder}/run"]
    assert run_trainer(*places, *_MODEL, *_TRAINING, "--normalization=training_split") == 0
    return folder, dataset.schema, splits


def _evaluated(learnt, name, splits, *flags):
    """What is measured on a dataset of these splits, and what was measured in training."""
    folder, schema, _ = learnt
    found = folder / "run" / "evaluation-test.json"
    before = json.loads(found.read_text())
    other = write_dataset(folder, splits, schema, name=name).path
    run = ["--mode=evaluate", f"--run_dir={folder}/run", f"--dataset={other}"]
    assert run_trainer(*run, *flags) == 0
    return json.loads(found.read_text()), before


def test_another_dataset_is_normalized_as_the_one_that_was_learnt_from(learnt):
    splits = dict(learnt[-1])
    splits["train"] = [
        dataclasses.replace(record, data=(record.data * 10 + 5).astype(np.float32))
        for record in splits["train"]
    ]
    found, before = _evaluated(learnt, "scaled", splits, "--noreport")
    assert found["metrics"] == before["metrics"]


def test_a_test_split_alone_is_measured_without_a_baseline(learnt, capsys):
    folder, _, splits = learnt
    found, before = _evaluated(learnt, "alone", {"test": splits["test"]}, "--report")
    assert found["metrics"] == before["metrics"]
    assert found["baselines"] == []
    assert "test: 5 records" in capsys.readouterr().out
    page = (folder / "run" / "report.html").read_text()
    assert "RMSE of" not in page
    assert "mean predictor" not in page


def test_a_dataset_with_none_of_the_splits_is_refused(learnt, capsys):
    folder, schema, splits = learnt
    other = write_dataset(folder, {"extra": splits["test"]}, schema, name="none")
    assert run_trainer("--mode=evaluate", f"--run_dir={folder}/run", f"--dataset={other.path}") == 1
    assert "no split 'train', it has extra" in capsys.readouterr().err

"""A training on labels of any number of classes, its figures, page, predictions and exports."""

import csv
import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics

from tests.datasets import CLASSES_PER_STEP, Record, write_dataset
from tests.trainer.in_process import run_trainer, train
from tfrecords_schema import Dataset, InputSpec, LabelSpec, RecordSchema
from trainer import Run
from trainer.evaluation.predictions import Predictions
from trainer.evaluation.threshold import figures_of

_NAMES = CLASSES_PER_STEP.class_names
_SIZES = {"train": 24, "validation": 10, "test": 10}
_SMALL = (
    "--conv_filters=3", "--conv_kernel_samples=3", "--conv_strides=2", "--rnn_cell=none",
    "--batch_size=8", "--num_buckets=1", "--epochs=1", "--notensorboard",
)  # fmt: skip


def _dataset(folder, label: LabelSpec) -> Dataset:
    """Signals in whose channels the classes are; a fifth of what they are is not known."""
    label = dataclasses.replace(label, has_missing=True)
    schema = RecordSchema(InputSpec("signal", "float32", (8, 3)), label)
    rng = np.random.default_rng(0)
    splits = {}
    for split, size in _SIZES.items():
        splits[split] = []
        for number in range(size):
            steps = int(rng.integers(4, 9))
            rows = (rng.random((1 if label.per == "record" else steps, 3)) < 0.4).astype(np.int8)
            data = rng.normal(size=(steps, 8, 3)) + 3 * rows[:, None]
            labels = np.where(rng.random(rows.shape) < 0.2, -1, rows).astype(np.int8)
            labels = labels[0] if label.per == "record" else labels
            one = Record(
                f"{split}{number}", data.astype(np.float32), labels, f"{split}{number // 2}"
            )
            splits[split].append(one)
    return write_dataset(folder, splits, schema)


@pytest.fixture(scope="module", params=["record", "step"])
def run(request, tmp_path_factory):
    """A dataset, and a folder of a training on it."""
    folder = tmp_path_factory.mktemp(request.param)
    dataset = _dataset(folder, dataclasses.replace(CLASSES_PER_STEP, per=request.param))
    flags = ("--decide_by=f1", "--monitor=average_precision", "--class_weights=balanced")
    train(dataset.path, folder / "run", *flags, model=_SMALL)
    return dataset, folder / "run"


def _predicted(path, split) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = Predictions.read(str(path), split)
    return found.label, found.prediction, found.answers


def test_thresholds_are_those_of_the_validation_split_and_figures_those_of_scikit_learn(run):
    dataset, path = run
    kept = json.loads((path / "calibration.json").read_text())
    assert kept["split"] == "validation"
    assert {*kept["thresholds"]} == {*_NAMES}
    for split in ("validation", "test"):
        truth, found, stated = _predicted(path, split)
        result = json.loads((path / f"evaluation-{split}.json").read_text())
        for at, name in enumerate(_NAMES):
            known = truth[:, at] >= 0
            there, shares = truth[known, at], found[known, at]
            threshold = np.float32(kept["thresholds"][name])
            np.testing.assert_array_equal(stated[known, at], shares >= threshold)
            best = max(metrics.f1_score(there, shares >= one) for one in np.unique(shares))
            f1 = metrics.f1_score(there, shares >= threshold)
            assert split == "test" or f1 == pytest.approx(best, abs=1e-12)
            assert result["per_class"][name]["f1"] == pytest.approx(f1, abs=1e-12)
            figures = result["calibration"]["here"]["decisions"][name]
            assert figures == figures_of(there, stated[known, at], 1)
    entry = dataset.manifest.splits["test"]
    result = json.loads((path / "evaluation-test.json").read_text())
    labels = entry.labels(dataset.schema.label.per)
    assert result["labels"] == labels - entry.missing_labels
    assert [*result["per_class"]] == [*_NAMES]
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    assert {"loss", "subset_accuracy"} <= {*lines[0]["validation"]}
    page = (path / "report.html").read_text()
    for said in ("Decisions of test", "average_precision", "Precision-recall curves", "any of 3"):
        assert said in page
    assert "commonest classes" in page


def test_predictions_in_tables_in_python_and_of_exports_are_those_of_the_evaluation(
    run, tmp_path, capsys
):
    dataset, path = run
    places = (f"--dataset={dataset.path}", f"--run_dir={path}")
    output = tmp_path / "new.csv"
    flags = ("--predict_split=test", f"--output={output}", "--draw=2")
    assert run_trainer("--mode=predict", *places, *flags) == 0, capsys.readouterr().err
    rows = [*csv.DictReader(output.read_text().splitlines())]
    evaluated = Predictions.read(str(path), "test")
    per = dataset.schema.label.per
    if per == "record":
        found = np.array([[row[f"probability_{name}"] for name in _NAMES] for row in rows], float)
        at = evaluated.record[evaluated.lengths > 0]
        np.testing.assert_allclose(found[at], evaluated.prediction, rtol=1e-5, atol=1e-6)
        for row, stated in zip(np.array(rows)[at], evaluated.answers, strict=True):
            assert row["prediction"] == ";".join(np.array(_NAMES)[stated > 0])
    else:
        every = dict(np.load(output.with_suffix(".npz")))
        share = every["present"][: every["lengths"][0]].mean(0)
        assert [float(rows[0][f"share_{name}"]) for name in _NAMES] == pytest.approx(share)
        common = np.array(_NAMES)[share >= 0.5]
        assert rows[0]["prediction"] == ";".join(common)
    assert "Predicted classes" in (tmp_path / "new-pictures.html").read_text()
    data = [dataset.schema.parse(one)["signal"].numpy() for one in _records(dataset)][:2]
    first = Run(path).predict(data)[0]
    answers = [first.answer] if per == "record" else [*first.answer]
    threshold = [
        json.loads((path / "calibration.json").read_text())["thresholds"][n] for n in _NAMES
    ]
    for answer, shares in zip(answers, first.output.reshape(-1, 3), strict=True):
        assert answer == tuple(np.array(_NAMES)[shares >= np.float32(threshold)])
    assert run_trainer("--mode=export", f"--run_dir={path}") == 0
    served = tf.saved_model.load(str(path / "export" / "saved_model")).signatures["serving_default"]
    answer = served(signal=tf.constant(data[0][None]), lengths=tf.constant([len(data[0])]))
    np.testing.assert_allclose(answer["probabilities"][0], first.output, rtol=1e-5, atol=1e-6)
    stated = first.output >= np.float32(threshold)
    np.testing.assert_array_equal(answer["present"][0], stated)


def _records(dataset: Dataset):
    return tf.data.TFRecordDataset(dataset.shard_paths("test"))


def test_what_is_for_one_class_out_of_several_is_refused(run, capsys):
    dataset, path = run
    places = (f"--dataset={dataset.path}", f"--run_dir={path}-other")
    for flags, said in {
        ("--calibrate=temperature",): "with a threshold each (--decide_by); leave it out",
        ("--positive_class=rest", "--decide_by=f1"): "--positive_class=rest is for one class out",
        ("--class_activation=sigmoid", "--model=signal"): "a sigmoid for each already",
        ("--monitor=accuracy",): "--monitor=accuracy",
    }.items():
        assert run_trainer(*places, *flags) != 0
        assert said in " ".join(capsys.readouterr().err.split())

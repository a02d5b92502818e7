"""Trainings on several labels: figures, pages, predictions, exports, and each label alone."""

import csv
import json

import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics

from tests.datasets import write_dataset
from tests.trainer.in_process import run_trainer, train
from tests.trainer.several_labels import records, several_labels
from tfrecords_schema.labels import output_spans
from trainer import Run, cross_validate
from trainer.evaluation.predictions import Predictions

_QUICK = (
    "--model=fcn", "--width=8", "--ensemble=2", "--normalization=record", "--epochs=1",
    "--notensorboard",
)  # fmt: skip
_FITTED = (
    "--model=hydra", "--kernel_groups=2", "--dilations=2", "--normalization=record",
    "--notensorboard", "--noreport",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A dataset with gaps in its labels, and a folder of a training on it."""
    folder = tmp_path_factory.mktemp("several")
    dataset = several_labels(folder)
    train(dataset.path, folder / "run", model=_QUICK)
    return dataset, folder / "run"


def _result(path, stem):
    return json.loads((path / f"evaluation-{stem}.json").read_text())


def _truth(dataset, split, columns):
    """Labels as they are stored, in the order of the records."""

    numbers = {"train": (60, 0), "validation": (16, 1), "test": (20, 2)}[split]
    return [record.label[:, columns] for record in records(numbers[0], split, seed=numbers[1])]


def test_figures_of_each_label_are_those_of_scikit_learn(run):
    dataset, path = run
    stage = Predictions.read(str(path), "test.stage")
    truth = np.concatenate(_truth(dataset, "test", 0))
    np.testing.assert_array_equal(stage.label, truth[~np.isnan(truth)])
    found, result = stage.prediction.argmax(-1), _result(path, "test.stage")["metrics"]
    for name, expected in {
        "accuracy": metrics.accuracy_score(stage.label, found),
        "macro_f1": metrics.f1_score(stage.label, found, average="macro", zero_division=0),
        "cohen_kappa": metrics.cohen_kappa_score(stage.label, found),
    }.items():
        assert result[name] == pytest.approx(expected, abs=1e-12)
    events, result = Predictions.read(str(path), "test.events"), _result(path, "test.events")
    areas = [
        metrics.average_precision_score(truth[known], found[known])
        for truth, found in zip(events.label.T, events.prediction.T, strict=True)
        if (known := truth >= 0).any()
    ]
    assert result["metrics"]["average_precision"] == pytest.approx(np.mean(areas), abs=1e-12)
    age, result = Predictions.read(str(path), "test.age"), _result(path, "test.age")
    ages = [label[0] for label in _truth(dataset, "test", 3) if not np.isnan(label[0])]
    np.testing.assert_array_equal(age.label, ages)
    error = metrics.root_mean_squared_error(ages, age.prediction[:, 0])
    assert result["metrics"]["rmse"] == pytest.approx(error, abs=1e-6)
    baseline = np.mean([x[0] for x in _truth(dataset, "train", 3) if not np.isnan(x[0])])
    guess = metrics.root_mean_squared_error(ages, np.full(len(ages), baseline))
    assert result["baseline"]["rmse"] == pytest.approx(guess, rel=1e-6)


def test_answers_of_a_recording_are_those_of_the_evaluation(run, tmp_path):
    """In tables, from Python, and from the SavedModel; of the age the mean over its steps."""
    dataset, path = run
    flags = (f"--run_dir={path}", f"--dataset={dataset.path}", f"--output={tmp_path / 'p.csv'}")
    assert run_trainer("--mode=predict", *flags, "--draw=1") == 0
    with open(tmp_path / "p.csv") as file:
        rows = list(csv.DictReader(file))
    age = Predictions.read(str(path), "test.age")
    known = [rows[row] for row in age.record[age.lengths > 0]]
    written = [float(row["age_prediction"]) for row in known]
    np.testing.assert_allclose(written, age.prediction[:, 0], rtol=1e-5)

    data = [record.data for record in records(20, "test", seed=2)]
    found = Run(path).predict(data[:3])
    assert [one.answer["age"] for one in found] == pytest.approx(
        [float(row["age_prediction"]) for row in rows[:3]], rel=1e-5
    )
    names = dataset.schema.label.heads[0].label.class_names
    # Of equally common ones the first.
    common = [max(names, key=[*one.answer["stage"]].count) for one in found]
    assert common == [row["stage_prediction"] for row in rows[:3]]
    Run(path).export()
    served = tf.saved_model.load(str(path / "export" / "saved_model"))
    given = {"signal": data[0][None], "lengths": np.array([len(data[0])], np.int32)}
    given = {name: tf.constant(value) for name, value in given.items()}
    answer = served.signatures["serving_default"](**given)
    np.testing.assert_allclose(answer["age_values"][0], found[0].output["age"], rtol=1e-5)
    np.testing.assert_allclose(
        answer["events_probabilities"][0], found[0].output["events"], atol=1e-6
    )
    np.testing.assert_array_equal(
        answer["events_present"][0].numpy() > 0, found[0].output["events"] >= 0.5
    )


def test_the_page_shows_each_label(run):
    _, path = run
    page = (path / "report.html").read_text()
    for text in ("Confusion of test, stage", "Recordings of test, events", "test, age", "age/rmse"):
        assert text in page
    methods = (path / "methods.txt").read_text()
    assert "On test, age (20 recordings" in methods


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--label_weights=1,2"], "2 numbers and is for several labels, here stage, events, age; "
         "give one for each"),
        (["--label=age", "--label_weights=1,2"], "is for several labels, here is one; leave it"),
        (["--label=ages"], "no label 'ages' (--label); it has stage, events, age"),
    ],
)  # fmt: skip
def test_likely_mistakes_are_told(run, tmp_path, capsys, flags, said):
    dataset, _ = run
    places = (f"--dataset={dataset.path}", f"--run_dir={tmp_path}", "--dry_run", *_QUICK)
    assert run_trainer(*places, *flags) == 1
    assert said in capsys.readouterr().err


def test_a_label_of_which_a_split_knows_nothing_has_no_figures_there(run, tmp_path, capsys):
    dataset, path = run
    found = records(3, "other", seed=3)
    for record in found:
        record.label[..., 3] = np.nan
    other = write_dataset(tmp_path, {"test": found}, dataset.schema)
    flags = (f"--run_dir={path}", f"--dataset={other.path}", "--mode=evaluate")
    assert run_trainer(*flags) == 0
    assert "test, age: no label of it is known, so there are no figures" in capsys.readouterr().out
    written = {one.name.split(".")[-2] for one in path.glob("evaluation-*-*-test.*.json")}
    assert {"stage", "events"} <= written
    assert "age" not in written


def test_a_fit_to_several_labels_is_the_fits_to_each_alone(tmp_path):
    """The ridge of random convolutions: the features are those of the recording in any case."""
    dataset = several_labels(tmp_path, missing=0.0)
    train(dataset.path, tmp_path / "all", model=_FITTED)
    for head, _ in output_spans(dataset.schema.label):
        flags = (*_FITTED, f"--label={head.name}")
        train(dataset.path, tmp_path / head.name, model=flags)
        alone = Predictions.read(str(tmp_path / head.name), "test")
        among = Predictions.read(str(tmp_path / "all"), f"test.{head.name}")
        np.testing.assert_array_equal(alone.label, among.label)
        if head.label.per == "step":
            np.testing.assert_allclose(alone.prediction, among.prediction, atol=1e-3)
        one, other = (
            _result(tmp_path / folder, stem)
            for folder, stem in ((head.name, "test"), ("all", f"test.{head.name}"))
        )
        assert one["baseline"] == other["baseline"]
        assert one["labels"] == other["labels"]


def test_a_study_is_of_one_label(run, tmp_path, capsys):
    dataset, _ = run
    flags = [f"--dataset={dataset.path}", f"--run_dir={tmp_path}/cv", "--folds=2", *_FITTED]
    assert cross_validate.main([*flags]) != 0
    assert "has several labels, stage, events, age" in capsys.readouterr().err
    assert cross_validate.main([*flags, "--label=stage", "--dry_run"]) == 0

"""Evaluations and pages of thousands of classes and groups, and of very long recordings."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from tests.datasets import CLASS_PER_RECORD, Record, write_dataset
from tests.trainer.run_folders import write_training
from tfrecords_schema import InputSpec, LabelSpec, RecordSchema
from trainer.evaluation import evaluation
from trainer.evaluation.baselines import majority_baseline
from trainer.evaluation.class_figures import class_figures
from trainer.evaluation.evaluation import evaluate
from trainer.evaluation.evaluation_table import evaluation_text
from trainer.evaluation.group_sums import GroupSums
from trainer.evaluation.predictions import Predictions, predict_split
from trainer.metrics import class_counts
from trainer.report.report import write_report

_MANY = 1_500


def _names(number):
    return tuple(f"class {i:05d}" for i in range(number))


def _pairs(classes, number, seed=0):
    """True and predicted classes; a third is wrong, some classes are commoner than others."""
    rng = np.random.default_rng(seed)
    label = (classes * rng.random(number) ** 2).astype(int)
    answer = np.where(rng.random(number) < 0.67, label, rng.integers(0, classes, number))
    return label, answer


def _many(classes=_MANY, number=2_000):
    label, answer = _pairs(classes, number)
    prediction = np.full((number, classes), 0.1 / classes, np.float32)
    prediction[np.arange(number), answer] = 0.9
    one = np.ones(number, np.int32)
    return Predictions(np.arange(number, dtype=np.int32), one, label, prediction)


def test_many_classes_are_counted_as_a_plain_loop_does():
    classes = 150
    label, answer = _pairs(classes, 3_000)
    listed, every = class_figures(label, answer, _names(classes))
    confusion = np.zeros((classes, classes), int)
    for t, p in zip(label, answer, strict=True):
        confusion[t, p] += 1
    sparse = np.zeros_like(confusion)
    sparse[every["true"], every["predicted"]] = every["count"]
    np.testing.assert_array_equal(sparse, confusion)
    right = np.diag(confusion)
    f1 = 2 * right / np.maximum(confusion.sum(0) + confusion.sum(1), 1)
    np.testing.assert_allclose(every["f1"], f1)
    np.testing.assert_array_equal(every["support"], confusion.sum(1))
    names = _names(classes)
    worst = min(
        range(classes), key=lambda c: (f1[c] if confusion[c].sum() else 2, -confusion[c].sum())
    )
    assert next(iter(listed["per_class"])) == names[worst]
    assert names[int(confusion.sum(1).argmax())] in listed["per_class"]
    assert listed["per_class"][names[worst]]["support"] == confusion[worst].sum()
    wrong = confusion - np.diag(right)
    assert [row["count"] for row in listed["confusions"]] == np.sort(wrong, axis=None)[::-1][
        :100
    ].tolist()
    first = listed["confusions"][0]
    assert wrong[names.index(first["true"]), names.index(first["predicted"])] == first["count"]


def test_few_classes_are_listed_as_ever():
    listed, every = class_figures(np.array([0, 0, 1]), np.array([0, 1, 1]), ("a", "b", "c"))
    assert listed["confusion"] == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert listed["per_class"]["a"] == {
        "precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2
    }  # fmt: skip
    assert listed["class_names"] == ["a", "b", "c"]
    assert every == {}


def test_sparse_counts_are_the_dense_ones(monkeypatch):
    label, answer = _pairs(7, 300)
    groups = np.random.default_rng(2).integers(0, 40, 300)
    prediction = np.eye(7)[answer]
    dense = GroupSums("class", label, prediction, groups)
    monkeypatch.setattr(class_counts, "_MOST_CELLS", 0)
    sparse = GroupSums("class", label, prediction, groups)
    assert sparse.total() == pytest.approx(dense.total())
    for name, ends in dense.intervals(resamples=50).items():
        assert sparse.intervals(resamples=50)[name] == pytest.approx(ends)
    chosen = np.array([30, 2])
    for number in chosen.tolist():
        one = dense.per_group()[number]
        assert sparse.per_group(chosen)[number] == pytest.approx(one)


def test_the_files_of_an_evaluation_stay_small_and_nothing_is_lost(tmp_path):
    label = LabelSpec("record", "class", class_names=_names(_MANY))
    found = _many()
    groups = [f"group {number}" for number in range(2_000)]
    result = {"split": "test", **evaluate(found, label, groups)}
    result["baselines"] = [majority_baseline(found.label, [1] * _MANY)]
    result["baseline"] = result["baselines"][0]
    text = evaluation_text(result)
    assert len(text.splitlines()) < 80
    assert "more classes in evaluation-test.npz" in text
    assert "2,000 records of 2,000 groups" in text
    evaluation._write(str(tmp_path), result, found)
    assert (tmp_path / "evaluation-test.json").stat().st_size < 200_000
    written = json.loads((tmp_path / "evaluation-test.json").read_text())
    assert (written["class_count"], written["group_count"]) == (_MANY, 2_000)
    right = found.prediction.argmax(1) == found.label
    with np.load(tmp_path / "evaluation-test.npz") as arrays:
        assert arrays["count"].sum() == 2_000
        assert arrays["class_names"].tolist() == list(label.class_names)
        by_name = dict(zip(arrays["group_names"], arrays["group_accuracy"], strict=True))
    assert by_name == {name: float(ok) for name, ok in zip(groups, right, strict=True)}
    assert written["metrics"]["accuracy"] == pytest.approx(right.mean())


@pytest.fixture(scope="module")
def many_classes(tmp_path_factory):
    """A dataset of many classes, and a run folder with an evaluation of it."""
    folder = tmp_path_factory.mktemp("many")
    label = LabelSpec("record", "class", class_names=_names(_MANY))
    rng = np.random.default_rng(0)
    records = [
        Record(f"r{i}", rng.normal(size=(3, 2)).astype(np.float32), i % _MANY, f"g{i}")
        for i in range(2_000)
    ]
    schema = RecordSchema(InputSpec("signal", "float32", (2,)), label)
    dataset = write_dataset(folder, {"train": records[:9], "test": records}, schema)
    run = folder / "run"
    run.mkdir()
    write_training(run, "accuracy")
    found = dataclasses.replace(
        _many(),
        prefix_record=np.zeros(3, np.int32),
        prefix_steps=np.array([1, 2, 3], np.int32),
        prefix_prediction=_many().prediction[:3],
    )
    result = {"split": "test", "dataset_fingerprint": dataset.manifest.fingerprint}
    result |= evaluate(found, label, [record.group for record in records])
    result |= {"baselines": [], "baseline": {}}
    return dataset, run, result, found


@pytest.mark.parametrize("is_old", [False, True])
def test_a_page_of_many_classes_is_small(many_classes, is_old):
    dataset, run, result, found = many_classes
    if is_old:  # As versions before wrote it.
        result = {**result, "class_names": list(dataset.schema.label.class_names)}
        result["confusion"] = [[0] * _MANY] * _MANY
        result = {key: value for key, value in result.items() if key != "confusions"}
    evaluation._write(str(run), dict(result), found)
    write_report(str(run), dataset)
    page = (run / "report.html").read_text()
    assert len(page) < 1_000_000
    assert '<table class="confusion">' not in page
    assert ("Confusions of test, the commonest" in page) is not is_old
    worst = next(iter(result["per_class"]))
    assert worst in page


class _Counted:
    """Predicts a number of each record, and counts the steps that this takes."""

    def __init__(self):
        self.steps = 0

    def predict(self, batch):
        self.steps += int(tf.reduce_sum(batch["lengths"]))
        values = tf.cast(batch["lengths"], tf.float32)
        return tf.stack([values, values + 1, values + 2], axis=1)


def _split(tmp_path, lengths):
    from pipeline.batches.plan import BatchOptions
    from trainer.data.split_data import SplitData

    schema = RecordSchema(InputSpec("signal", "uint8", ()), CLASS_PER_RECORD)
    records = [Record(f"r{i}", np.zeros(n, np.uint8), 0) for i, n in enumerate(lengths)]
    dataset = write_dataset(tmp_path, {"test": records}, schema)
    return SplitData(dataset, "test", BatchOptions(batch_size=2, num_buckets=1))


def test_what_long_recordings_cost_is_bounded(tmp_path):
    lengths = [19_000, 300_000, 40]
    split, steps = _split(tmp_path, lengths), _Counted()
    found = predict_split(steps, split, split.label)
    assert steps.steps <= sum(lengths) + 2 * 50_000 + 40 * 41 / 2
    for row, length in enumerate(lengths):
        at = found.prefix_steps[found.prefix_record == row]
        assert at.tolist() == sorted(set(at.tolist()))
        assert at[-1] == length
        np.testing.assert_array_equal(found.prefix_prediction[found.prefix_record == row][:, 0], at)
    assert (found.prefix_record == 2).sum() == 40


def test_without_a_report_no_beginning_is_predicted(tmp_path):
    split, steps = _split(tmp_path, [50, 60]), _Counted()
    found = predict_split(steps, split, split.label, with_prefixes=False)
    assert steps.steps == 110
    assert found.prefix_record is None

"""Tables of pages: figures of each person are scikit-learn's; confusions in counts and percent."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, confusion_matrix, f1_score

from pipeline.console.table_files import csv_text
from tests.datasets import CLASS_PER_STEP, VALUE_PER_STEP
from trainer.evaluation.evaluation import evaluate
from trainer.evaluation.page_tables import confusion_tables, groups_table, over_groups_table
from trainer.evaluation.predictions import Predictions

_PEOPLE = ["anna", "anna", "ben", "cleo", "cleo", "dora"]


@pytest.fixture(scope="module")
def measured():
    """Steps of six recordings of four people; one of them has a single class alone."""
    rng = np.random.default_rng(3)
    lengths = rng.integers(20, 60, len(_PEOPLE)).astype(np.int32)
    label = rng.integers(0, 3, lengths.sum())
    label[-lengths[-1] :] = 1
    prediction = rng.dirichlet(np.ones(3), len(label)).astype(np.float32)
    prediction[np.arange(len(label)), label] += rng.random(len(label)).astype(np.float32)
    found = Predictions(np.arange(6, dtype=np.int32), lengths, label, prediction)
    result = {"split": "test", **evaluate(found, CLASS_PER_STEP, _PEOPLE)}
    return result, label, prediction.argmax(-1), np.repeat(_PEOPLE, lengths)


def test_figures_of_each_person_are_those_of_scikit_learn(measured):
    result, label, answer, person = measured
    table = groups_table(result)
    names = [*table.columns]
    assert {row[0] for row in table.rows} == {*_PEOPLE}
    for row in table.rows:
        given, found = dict(zip(names, row, strict=True)), person == row[0]
        pair = label[found], answer[found]
        assert given["labels"] == found.sum()
        assert abs(given["accuracy"] - np.mean(pair[0] == pair[1])) < 1e-12
        assert abs(given["cohen_kappa"] - cohen_kappa_score(*pair)) < 1e-12
        assert abs(given["macro_f1"] - f1_score(*pair, average="macro")) < 1e-12
    accuracies = [row[names.index("accuracy")] for row in table.rows]
    assert accuracies == sorted(accuracies)


def test_mean_and_deviation_count_each_person_once(measured):
    result, label, answer, person = measured
    table = over_groups_table(result)
    assert table.title == "Over the 4 groups of test"
    scores = {
        "accuracy": lambda truth, answer: np.mean(truth == answer),
        "cohen_kappa": cohen_kappa_score,
        "macro_f1": lambda truth, answer: f1_score(truth, answer, average="macro"),
    }
    rows = {row[0]: row[1:] for row in table.rows}
    for name, score in scores.items():
        of = np.array([score(label[person == one], answer[person == one]) for one in {*_PEOPLE}])
        expected = [of.mean(), of.std(ddof=1), np.median(of), of.min(), of.max()]
        np.testing.assert_allclose(rows[name], expected, rtol=0, atol=1e-12)


def test_what_is_not_all_of_them_has_no_mean(measured):
    result = measured[0]
    assert not over_groups_table({**result, "group_count": 2000}).rows
    one = {**result, "groups": {"anna": result["groups"]["anna"]}}
    assert not over_groups_table(one).rows
    assert len(groups_table({**result, "group_count": 2000}).rows) == 4


def test_confusions_are_counts_and_percent_of_each_row(measured):
    result, label, answer, _ = measured
    counts, percent = confusion_tables(result)
    expected = confusion_matrix(label, answer)
    assert [row[1:] for row in counts.rows] == expected.tolist()
    shares = confusion_matrix(label, answer, normalize="true")
    np.testing.assert_allclose([row[1:] for row in percent.rows], 100 * shares, atol=1e-12)
    assert csv_text(percent).splitlines()[0] == "true \\ predicted,rest,move,fall"
    never = {**result, "confusion": [[0, 0, 0], [1, 3, 0], [0, 0, 2]]}
    assert [row[1:] for row in confusion_tables(never)[1].rows][:2] == [[0, 0, 0], [25, 75, 0]]


def test_values_have_no_confusion_and_means_over_people_all_the_same():
    rng = np.random.default_rng(0)
    label = rng.normal(size=(8, 2)).astype(np.float32)
    found = Predictions(
        np.arange(4, dtype=np.int32), np.full(4, 2, np.int32), label, label + np.float32(0.5)
    )
    result = {"split": "test", **evaluate(found, VALUE_PER_STEP, [*"aabb"])}
    assert confusion_tables(result) == []
    rows = {row[0]: row[1:3] for row in over_groups_table(result).rows}
    assert rows["rmse"] == pytest.approx((0.5, 0), abs=1e-6)

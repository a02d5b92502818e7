"""What the page shows of probabilities and errors."""

import dataclasses
import json
from unittest import mock

import numpy as np
import pytest

from tests.changed_json import MISSING, changed, places
from tests.datasets import CLASS_PER_RECORD, CLASS_PER_STEP, VALUE_PER_STEP, toy_dataset
from tests.trainer.run_folders import write_run
from tfrecords_schema import DatasetError
from trainer.evaluation.calibration_figures import (
    calibration_figures,
    calibration_notes,
    calibration_tables,
)
from trainer.evaluation.evaluation import evaluate
from trainer.evaluation.evaluation_table import evaluation_text
from trainer.evaluation.kinds import scored_kind
from trainer.evaluation.predictions import Predictions
from trainer.report import probability_pictures
from trainer.report.methods import about_figures
from trainer.report.report import write_report
from trainer.report.run_shapes import Evaluation, require, require_shown
from trainer.report.split_pictures import split_pictures
from trainer.runs.calibration import Calibration

_ASKED = {"calibrate": "temperature", "positive_class": "move", "decide_by": "f1"}
_TWO = dataclasses.replace(CLASS_PER_RECORD, class_names=("rest", "move"))
_ON_VALIDATION = {"sensitivity": 0.5, "specificity": 0.625, "precision": 0.25, "f1": 0.375}


def _evaluated(folder, label, calibration=None):
    dataset, splits = toy_dataset(folder / "data", label=label)
    write_run(folder / "run", dataset, splits)
    predictions = Predictions.read(str(folder / "run"), "test")
    if calibration:
        predictions = scored_kind(label.kind).decided(predictions, calibration.reading(label))
    result = {"split": "test", **evaluate(predictions, label, dataset.split("test").groups())}
    if calibration:
        result["calibration"] = calibration_figures(calibration, predictions, label)
    return dataset, predictions, result


def _chosen(split="validation"):
    figures = {"nll": 0.5, "brier": 0.25, "calibration_error": 0.125}
    return Calibration(
        "0" * 64, _ASKED, split, "f", 77, 1.75, 0.25, figures, figures, _ON_VALIDATION
    )


def test_the_page_has_diagram_curves_temperature_and_threshold(tmp_path):
    dataset, predictions, result = _evaluated(tmp_path, CLASS_PER_STEP, _chosen())
    run = tmp_path / "run"
    (run / "predictions-test.npz").write_bytes(predictions.content())
    result["calibration"]["notes"] = ["no <temperature> is fitted"]
    written = json.loads((run / "evaluation-test.json").read_text())
    (run / "evaluation-test.json").write_text(json.dumps({**written, **result}))
    write_report(str(run), dataset)
    page = " ".join((run / "report.html").read_text().split())
    for name in ("Reliability diagram", "ROC curves", "Precision-recall curves"):
        assert f'alt="{name}"' in page
    assert '<p class="bad">No &lt;temperature&gt; is fitted.</p>' in page
    assert "Temperature 1.75, chosen on 77 labels of split &#39;validation&#39;; it chang" in page
    assert "Stated from probability 0.25 on, by f1, chosen on 77 labels of split" in page
    found = result["calibration"]["here"]["decision"]["sensitivity"]
    assert f'sensitivity</td><td class="number"> 0.500</td><td class="number"> {found:.3f}' in (
        page.replace('number">', 'number"> ')
    )


def test_the_same_is_said_in_the_terminal_in_80_columns(tmp_path):
    _, _, result = _evaluated(tmp_path, CLASS_PER_STEP, _chosen())
    result["calibration"]["notes"] = ["no threshold is chosen"]
    text = evaluation_text({**result, "baselines": [], "baseline": {}})
    assert "\nno threshold is chosen\n" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "calibration_error" in text
    assert "temperature 1.75, chosen on 77 labels of split 'validation'" in text
    assert any(line.split()[:2] == ["specificity", "0.625"] for line in text.splitlines())


def test_figures_of_the_split_that_it_was_chosen_on_are_told(tmp_path):
    _, _, result = _evaluated(tmp_path, CLASS_PER_STEP, _chosen("test"))
    for table in calibration_tables(result):
        assert "which is this one: others tell more" in table.note
    *_, decisions = calibration_tables(result)
    assert [*decisions.columns] == ["move", "on test"]


@pytest.mark.parametrize("asked", ["", "rest"])
def test_of_two_classes_one_curve_is_drawn(tmp_path, asked, monkeypatch):
    dataset, predictions, result = _evaluated(tmp_path, _TWO)
    if asked:
        result["calibration"] = {"asked": {**_ASKED, "positive_class": asked}}
    drawn = []
    monkeypatch.setattr(probability_pictures, "_curves", lambda *given: drawn.append(given) or "")
    split_pictures(dataset, "test", result, predictions)
    assert [[*given[1]] for given in drawn] == [[asked or "move"]] * 2
    (number, ranking) = drawn[0][1][asked or "move"]
    name = dataset.schema.label.class_names[number]
    assert ranking.roc_auc == result["curves"][name]["roc_auc"]


def test_a_class_that_is_known_only_where_it_is_there_has_no_curve(monkeypatch):
    label = np.array([[1, 1], [-1, 0], [1, -1], [-1, 1]], np.int8)
    ones, shares = np.ones(4, np.int32), np.full((4, 2), 0.5, np.float32)
    drawn = []
    monkeypatch.setattr(probability_pictures, "_curves", lambda *given: drawn.append(given) or "")
    evaluation = {"metrics": {"roc_auc": 0.25, "average_precision": 0.25}}
    found = Predictions(np.arange(4, dtype=np.int32), ones, label, shares)
    probability_pictures.curve_pictures(evaluation, found, ("a", "b"))
    assert [[*given[1]] for given in drawn] == [["b"]] * 2
    assert all(given[0].endswith(", mean area 0.250") for given in drawn)


def test_of_many_classes_the_commonest_are_drawn(tmp_path, monkeypatch):
    names = tuple(f"c{number}" for number in range(9))
    label = dataclasses.replace(CLASS_PER_RECORD, class_names=names)
    dataset, _, result = _evaluated(tmp_path, label)
    truth = np.repeat(np.arange(9), np.arange(9))  # Class i occurs i times.
    table = np.random.default_rng(0).dirichlet(np.ones(9), len(truth)).astype(np.float32)
    one = np.ones(len(truth), np.int32)
    predictions = Predictions(np.zeros(len(truth), np.int32), one, truth, table)
    drawn = []
    monkeypatch.setattr(probability_pictures, "_curves", lambda *given: drawn.append(given) or "")
    split_pictures(dataset, "test", result, predictions)
    assert [*drawn[0][1]] == ["c3", "c4", "c5", "c6", "c7", "c8"]


def test_values_have_agreement_errors_over_length_and_by_group(tmp_path):
    dataset, predictions, result = _evaluated(tmp_path, VALUE_PER_STEP)
    found = split_pictures(dataset, "test", result, predictions)
    assert [*found] == [
        "Bland-Altman plot of value 1",
        "Bland-Altman plot of value 2",
        "Error over the length of records",
        "Error by group",
    ]


def test_an_evaluation_of_an_earlier_version_has_no_pictures_of_probabilities(tmp_path):
    dataset, predictions, result = _evaluated(tmp_path, CLASS_PER_STEP)
    del result["reliability"]
    assert split_pictures(dataset, "test", result, predictions) == {}


def test_any_other_field_of_probabilities_is_shown_or_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(probability_pictures, "svg", lambda draw, size: str(draw(mock.MagicMock())))
    dataset, predictions, result = _evaluated(tmp_path, CLASS_PER_STEP, _chosen())
    result = json.loads(json.dumps(result))
    require(Evaluation, result)
    refused = 0
    for place in places({name: result[name] for name in ("reliability", "calibration")}):
        for other in [None, "3", {}, MISSING]:
            other_result = changed(result, place, other)
            try:
                require(Evaluation, other_result)
            except DatasetError:
                refused += 1
                continue
            split_pictures(dataset, "test", other_result, predictions)
            assert len(calibration_tables(other_result)) <= 2
            assert isinstance(calibration_notes(other_result), list)
    assert refused > 50


def test_any_other_field_of_an_evaluation_is_told_or_refused(tmp_path):
    _, _, result = _evaluated(tmp_path, CLASS_PER_STEP, _chosen())
    result |= {"baselines": [{"name": "majority class", "accuracy": 0.5}], "trained_on": {}}
    result = json.loads(json.dumps({**result, "baseline": result["baselines"][0]}))
    require(Evaluation, result)
    require_shown(result, "run")
    told = refused = 0
    for place in places(result):
        for other in [None, "3", {}, MISSING]:
            other_result = changed(result, place, other)
            try:
                require(Evaluation, other_result)
                require_shown(other_result, "run")
            except DatasetError:
                refused += 1
                continue
            assert evaluation_text(other_result)
            assert about_figures(other_result)
            told += 1
    assert told > 100
    assert refused > 100

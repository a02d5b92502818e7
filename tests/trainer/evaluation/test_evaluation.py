"""What an evaluation holds, and its table."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tests.datasets import CLASS_PER_STEP, VALUE_PER_STEP
from trainer.evaluation.baselines import majority_baseline, mean_baseline
from trainer.evaluation.evaluation import _write, evaluate
from trainer.evaluation.evaluation_table import evaluation_text, warnings
from trainer.evaluation.predictions import Predictions


def _predictions(classes):
    return Predictions(
        record=np.arange(5, dtype=np.int32),
        lengths=np.int32([2, 1, 1, 1, 1]),
        label=np.array([0, 0, 1, 2, 2, 2]),
        prediction=np.eye(3, dtype=np.float32)[classes],
    )


def _class_result():
    predictions = _predictions([0, 1, 1, 2, 2, 0])
    result = {"split": "test", **evaluate(predictions, CLASS_PER_STEP, ["a", "a", "b", "c", "d"])}
    result["baselines"] = [majority_baseline(predictions.label, [5, 1, 1])]
    result["baseline"] = result["baselines"][0]
    return result


def test_an_evaluation_of_classes_is_complete_and_is_json():
    result = json.loads(json.dumps(_class_result()))
    assert result["metrics"]["accuracy"] == pytest.approx(4 / 6)
    assert result["groups"]["a"]["labels"] == 3
    assert result["groups"]["a"]["accuracy"] == pytest.approx(2 / 3)
    assert result["per_class"]["fall"]["support"] == 3
    without_sums = {"roc_auc", "average_precision"}
    assert result["metrics"].keys() - result["intervals"].keys() == without_sums
    assert result["baseline"]["accuracy"] == pytest.approx(2 / 6)
    assert result["baseline"]["cohen_kappa"] == 0


def test_the_table_shows_metric_interval_and_baseline_in_80_columns():
    text = evaluation_text(_class_result())
    assert max(map(len, text.splitlines())) <= 80
    assert text.startswith("test: 5 records of 4 groups, 6 labels\n")
    line = next(line for line in text.splitlines() if "balanced_accuracy" in line)
    assert line.split()[1] == "0.722"
    assert line.split()[-1] == "0.333"
    assert any(
        line.split() == ["move", "0.500", "1.000", "0.667", "1"] for line in text.split("\n")
    )


def test_a_figure_that_takes_no_model_is_told():
    result = _class_result()
    assert warnings(result) == []
    result["baseline"] = {"name": "majority class", "accuracy": result["metrics"]["accuracy"]}
    (warning,) = warnings(result)
    assert warning.startswith("accuracy 0.667 is no better than 0.667, which takes no model (maj")
    assert "WARNING: accuracy 0.667 is no better" in evaluation_text(result)
    result["trained_on"] = {"groups": 0, "records": 5, "of_groups": 4, "of_records": 5}
    assert "trained on 5 of 5 records of these" in warnings(result)[0]


def test_the_table_of_one_group_says_why_it_has_no_interval():
    result = _class_result()
    result.update(records=1, labels=1, groups={"a": result["groups"]["a"]}, intervals={})
    text = evaluation_text(result)
    assert text.startswith("test: 1 record of 1 group, 1 label\n")
    assert "no interval: that takes at least four groups" in text


def test_an_evaluation_of_values_has_the_mean_predictor_beside_it():
    rng = np.random.default_rng(3)
    truth = rng.normal(size=(6, 2)).astype(np.float32)
    predictions = Predictions(np.int32([0, 1]), np.int32([4, 2]), truth, truth + np.float32(0.5))
    result = {"split": "test", **evaluate(predictions, VALUE_PER_STEP, ["a", "b"])}
    result["baselines"] = [mean_baseline(truth, truth.mean(0))]
    result["baseline"] = result["baselines"][0]
    assert result["metrics"]["mae"] == pytest.approx(0.5, rel=1e-5)
    assert result["baseline"]["r2"] == pytest.approx(0, abs=1e-6)
    text = evaluation_text(result)
    assert "mean predictor" in text
    assert any(line.split()[:3] == ["1", "0.5", "0.5"] for line in text.splitlines())


def test_figures_are_never_beside_the_predictions_of_others(tmp_path, monkeypatch):
    seen = []

    def look():
        if (tmp_path / "evaluation-test.json").exists():
            found = json.loads((tmp_path / "evaluation-test.json").read_text())
            predictions = Predictions.read(str(tmp_path), "test", found["predictions"])
            rest = tmp_path / "evaluation-test.npz"
            seen.append((found["weights"], predictions.prediction[0].argmax(), rest.exists()))

    _write(str(tmp_path), {"split": "test", "weights": "old"}, _predictions([0] * 6))
    for name in ("rename", "remove"):
        call = getattr(tf.io.gfile, name)
        monkeypatch.setattr(
            tf.io.gfile, name, lambda *a, call=call, **k: (look(), call(*a, **k), look())
        )
    new = {"split": "test", "weights": "new", "rest": {"group_accuracy": np.zeros(2)}}
    _write(str(tmp_path), new, _predictions([1] * 6))
    assert list(dict.fromkeys(seen)) == [("old", 0, False), ("new", 1, True)]

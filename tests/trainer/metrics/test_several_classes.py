"""Metrics of any number of classes at once against scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics

from tfrecords_schema import LabelSpec
from trainer.evaluation.evaluation import evaluate
from trainer.evaluation.kinds import scored_kind
from trainer.evaluation.predictions import Predictions
from trainer.step.reading import Reading

_NAMES = ("cough", "sneeze", "wheeze", "speech")
_LABEL = LabelSpec("record", "classes", "int8", (4,), _NAMES)


def _predictions(seed: int = 0, labels: int = 200) -> Predictions:
    """Equal probabilities among them; every class is there and missing."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((labels, 4)) < [0.5, 0.3, 0.1, 0.7]).astype(np.int8)
    found = np.round(0.3 * truth + 0.7 * rng.random((labels, 4)), 2).astype(np.float32)
    records = np.arange(labels, dtype=np.int32)
    return Predictions(records, np.ones(labels, np.int32), truth, found)


@pytest.mark.parametrize("thresholds", [(), (0.2, 0.7, 0.35, 0.5)])
def test_figures_are_those_of_scikit_learn(thresholds: tuple[float, ...]) -> None:
    found = scored_kind("classes").decided(_predictions(), Reading(thresholds=thresholds))
    truth, scores = found.label, found.prediction
    stated = scores >= np.float32(thresholds or 0.5)
    result = evaluate(found, _LABEL, [f"g{at // 5}" for at in range(len(truth))])
    expected = {
        "macro_f1": metrics.f1_score(truth, stated, average="macro"),
        "micro_f1": metrics.f1_score(truth, stated, average="micro"),
        "subset_accuracy": metrics.accuracy_score(truth, stated),
        "roc_auc": metrics.roc_auc_score(truth, scores, average="macro"),
        "average_precision": metrics.average_precision_score(truth, scores, average="macro"),
    }
    assert [*result["metrics"]] == [*expected]
    assert result["metrics"] == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert {*result["intervals"]} == {"macro_f1", "micro_f1", "subset_accuracy"}
    columns = metrics.precision_recall_fscore_support(truth, stated)
    for row, *values in zip(result["per_class"].values(), *columns, strict=True):
        assert [*row.values()] == pytest.approx(values, rel=1e-12, abs=1e-12)
    for at, areas in enumerate(result["curves"].values()):
        auc = metrics.roc_auc_score(truth[:, at], scores[:, at])
        precision = metrics.average_precision_score(truth[:, at], scores[:, at])
        assert [*areas.values()] == pytest.approx([auc, precision], rel=1e-12)


def test_what_is_not_known_changes_no_figure() -> None:
    """Of each class the figures are those of the labels that say something of it."""
    found = _predictions(1)
    hidden = np.random.default_rng(2).random(found.label.shape) < 0.3
    hidden[hidden.all(1)] = False
    truth = np.where(hidden, -1, found.label).astype(np.int8)
    partly = Predictions(found.record, found.lengths, truth, found.prediction)
    partly = scored_kind("classes").decided(partly, Reading())
    result = evaluate(partly, _LABEL, ["g"] * len(truth))
    for at, name in enumerate(_NAMES):
        known, scores = ~hidden[:, at], found.prediction[:, at]
        label, stated = found.label[known, at], scores[known] >= 0.5
        row = result["per_class"][name]
        assert row["f1"] == pytest.approx(metrics.f1_score(label, stated), rel=1e-12)
        auc = metrics.roc_auc_score(label, scores[known])
        assert result["curves"][name]["roc_auc"] == pytest.approx(auc, rel=1e-12)
    right = ((found.prediction >= 0.5) == found.label) | hidden
    assert result["metrics"]["subset_accuracy"] == pytest.approx(right.all(1).mean(), rel=1e-12)
    mean = np.mean([row["f1"] for row in result["per_class"].values()])
    assert result["metrics"]["macro_f1"] == pytest.approx(mean, rel=1e-12)

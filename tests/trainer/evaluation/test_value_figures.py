"""Errors of values against plain loops."""

import numpy as np
import pytest

from tests.datasets import VALUE_PER_STEP
from trainer.evaluation.evaluation import evaluate
from trainer.evaluation.predictions import Predictions
from trainer.evaluation.value_figures import (
    agreement,
    differences,
    group_errors,
    record_errors,
)

_LENGTHS = [3, 0, 5, 1, 2]
_GROUPS = ["a", "b", "c", "a", "unseen", "d"]  # Of each record of the split.


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(sum(_LENGTHS), 2)).astype(np.float32)
    prediction = truth + rng.normal(0.3, 0.5, truth.shape).astype(np.float32)
    record = np.int32([0, 1, 2, 3, 5])
    return Predictions(record, np.int32(_LENGTHS), truth, prediction)


def test_limits_of_agreement_are_those_of_their_definition(found):
    limits = agreement(differences(found))
    assert limits == evaluate(found, VALUE_PER_STEP, _GROUPS)["agreement"]
    for unit, row in enumerate(limits):
        pairs = zip(found.prediction[:, unit], found.label[:, unit], strict=True)
        gaps = [float(predicted) - float(true) for predicted, true in pairs]
        mean = sum(gaps) / len(gaps)
        deviation = (sum((gap - mean) ** 2 for gap in gaps) / (len(gaps) - 1)) ** 0.5
        expected = [mean, deviation, mean - 1.96 * deviation, mean + 1.96 * deviation]
        assert [*row] == ["bias", "deviation", "low", "high"]
        np.testing.assert_allclose([*row.values()], expected, rtol=1e-12)
    assert agreement(np.array([[2.0]])) == [{"bias": 2, "deviation": 0, "low": 2, "high": 2}]


def test_errors_of_records_and_groups_are_those_of_their_labels(found):
    errors = record_errors(found)
    for position, length in enumerate(_LENGTHS):
        truth, prediction = found.of(position)
        if not length:
            assert np.isnan(errors[position])
            continue
        assert errors[position] == pytest.approx(np.sqrt(np.mean((prediction - truth) ** 2)))
    by_group = group_errors(found, _GROUPS)
    assert sorted(by_group["name"]) == ["a", "c", "d"]  # b has no label, the other no record.
    assert by_group["rmse"].tolist() == sorted(by_group["rmse"], reverse=True)
    of_a = differences(found)[[0, 1, 2, 8]]
    at = by_group["name"].tolist().index("a")
    assert by_group["bias"][at] == pytest.approx(of_a.mean())
    assert by_group["deviation"][at] == pytest.approx(of_a.std())
    assert by_group["rmse"][at] == pytest.approx(np.sqrt((of_a**2).mean()))

import dataclasses

import numpy as np
import pytest

from tests.datasets import CLASS_PER_STEP
from tfrecords_schema import DatasetError
from trainer.evaluation.evaluation import require_finite
from trainer.evaluation.prediction_files import Row, columns_of
from trainer.evaluation.predictions import Predictions, _cut


def test_predictions_of_a_record_are_its_slice():
    predictions = Predictions(
        record=np.int32([5, 2, 9]),
        lengths=np.int32([2, 1, 3]),
        label=np.arange(6),
        prediction=np.arange(12).reshape(6, 2),
    )
    assert [list(predictions.of(i)[0]) for i in range(3)] == [[0, 1], [2], [3, 4, 5]]
    steps, label, prediction = predictions.over_time(2, "step")
    assert (list(steps), list(label), prediction[0, 0]) == ([1, 2, 3], [3, 4, 5], 6)


def test_what_was_written_is_read_again_and_nothing_else(tmp_path):
    written = Predictions(np.int32([1]), np.int32([2]), np.arange(2), np.ones((2, 3), np.float32))
    (tmp_path / "predictions-test.npz").write_bytes(written.content())
    found = Predictions.read(str(tmp_path), "test")
    for name, values in dataclasses.asdict(written).items():
        np.testing.assert_array_equal(getattr(found, name), values)
    assert found.prefix_record is None


def test_steps_whose_probabilities_are_not_finite_have_no_share():
    output = np.float32([[0.2, 0.7, 0.1], [np.nan] * 3, [0.1, 0.8, 0.1], [np.inf, 0, 0]])
    rows = [Row(0, "a", "a.npz", 4, output), Row(1, "b", "b.npz", 1, output[1:2])]
    columns = columns_of(rows, CLASS_PER_STEP)
    assert columns["prediction"] == ["move", None]
    np.testing.assert_array_equal(columns["share_move"], np.float32([1, np.nan]))
    np.testing.assert_array_equal(columns["share_rest"], np.float32([0, np.nan]))


def test_answers_that_are_not_finite_are_no_figures():
    prediction = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1]]
    found = Predictions(np.int32([2, 0]), np.int32([2, 3]), np.zeros(5, int), prediction)
    require_finite(found, "test", ["x", "y", "z"])
    prediction[3] = np.nan
    with pytest.raises(DatasetError, match="for 1 of 2 records of split 'test', the first is 'x'"):
        require_finite(found, "test", ["x", "y", "z"])


def test_beginnings_have_whatever_belongs_to_their_steps():
    batch = {"frames": np.zeros((1, 5, 2, 2, 3)), "beside": np.zeros((1, 5, 4)), "label": [1]}
    cut = _cut(batch, 3)
    assert (cut["frames"].shape[1], cut["beside"].shape[1], cut["lengths"]) == (3, 3, [3])

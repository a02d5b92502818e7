import dataclasses

import numpy as np

from trainer.evaluation.predictions import Predictions


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
    written.write(str(tmp_path), "test")
    found = Predictions.read(str(tmp_path), "test")
    for name, values in dataclasses.asdict(written).items():
        np.testing.assert_array_equal(getattr(found, name), values)
    assert found.prefix_record is None

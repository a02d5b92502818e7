"""Pictures of recordings: what is drawn over time is what was predicted, and what is true."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from pipeline.inspect import record_pictures
from pipeline.inspect.samples import Sample, TimeAxis
from tests.datasets import CLASS_PER_RECORD, CLASS_PER_STEP, VALUE_PER_STEP
from tfrecords_schema import LabelSpec
from trainer.evaluation.prediction_files import Row
from trainer.report.prediction_page import predicted_classes
from trainer.report.prediction_pictures import OverTime, prediction_picture

_AXIS = TimeAxis(30.0, True)


def _drawn(monkeypatch, label, found, *, axis=_AXIS, steps=960, channels=1):
    """The axes of the picture that is drawn."""
    figures = []
    monkeypatch.setattr(record_pictures, "png", lambda draw, size: figures.append((draw, size)))
    sample = Sample("r", steps, np.zeros((steps, 4, channels)), np.arange(steps), None)
    prediction_picture(sample, "signal", axis, label, found)
    if not figures:
        return []
    ((draw, size),) = figures
    draw(figure := Figure(figsize=size, layout="constrained"))
    return figure.axes


def _night(seed=0, steps=960, classes=3):
    """Classes in bouts, and predictions of them; now and then for a single step."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(rng.integers(0, classes, steps), rng.integers(1, 20, steps))[:steps]
    scores = rng.random((steps, classes)) + 0.5 * np.eye(classes)[truth]
    prediction = (scores / scores.sum(1, keepdims=True)).astype(np.float32)
    return OverTime(np.arange(1, steps + 1), truth, prediction)


def _classes_of(stairs, ends):
    """The height of a step line over each stretch that ends there."""
    heights, edges, _ = stairs.get_data()
    return heights[np.searchsorted(edges, ends - 1e-9, side="left") - 1]


@pytest.mark.parametrize("is_known", [True, False])
def test_a_course_has_every_step_of_a_night_in_hours(monkeypatch, is_known):
    found = _night()
    found = found if is_known else found._replace(truth=None)
    _, band, course = _drawn(monkeypatch, CLASS_PER_STEP, found)
    ends = found.steps / 120  # Of steps of 30 seconds, in hours.
    lines = {patch.get_label(): patch for patch in course.patches}
    assert [*lines] == (["true", "predicted"] if is_known else ["predicted"])
    np.testing.assert_array_equal(_classes_of(lines["predicted"], ends), found.prediction.argmax(1))
    if is_known:
        np.testing.assert_array_equal(_classes_of(lines["true"], ends), found.truth)
    assert [text.get_text() for text in course.get_yticklabels()] == ["rest", "move", "fall"]
    low, high = course.get_ylim()
    assert low > high  # The first class is at the top.
    assert (course.get_xlabel(), course.get_xlim()) == ("hours", (0, 8))
    assert (band.get_xlabel(), band.get_xlim()) == ("", (0, 8))
    assert [text.get_text() for text in course.get_legend().get_texts()] == [*lines]


def test_a_course_loses_no_single_step_of_a_long_recording(monkeypatch):
    prediction = np.tile(np.float32([[1, 0, 0]]), (30_000, 1))
    prediction[12_345] = [0, 0, 1]
    found = OverTime(np.arange(1, 30_001), np.zeros(30_000, int), prediction)
    course = _drawn(monkeypatch, CLASS_PER_STEP, found, steps=30_000)[-1]
    heights, edges, _ = course.patches[1].get_data()
    assert heights.tolist() == [0, 2, 0]
    np.testing.assert_allclose(edges * 120, [0, 12_345, 12_346, 30_000])


def test_steps_whose_answer_is_not_finite_have_no_class(monkeypatch):
    output = np.float32([[1, 0, 0], [np.nan] * 3, [0, 0, 1]])
    row = Row(0, "r", "r.npz", 3, output, np.int32([0, -1, 2]))
    found = OverTime(np.arange(1, 4), None, row.output, row.answer)
    course = _drawn(monkeypatch, CLASS_PER_STEP, found, steps=3)[-1]
    np.testing.assert_array_equal(course.patches[0].get_data()[0], [0, np.nan, 2])
    counts = [part.number for _, part in predicted_classes([row], CLASS_PER_STEP).rows]
    assert counts == [1, 0, 1]


def test_of_very_many_classes_a_course_has_those_that_occur(monkeypatch):
    names = tuple(f"a class with a long name {i}" for i in range(50))
    label = LabelSpec("step", "class", class_names=names)
    prediction = np.zeros((6, 50), np.float32)
    prediction[np.arange(6), [7, 7, 3, 3, 41, 7]] = 1
    found = OverTime(np.arange(1, 7), np.array([7, 3, 3, 3, 41, 9]), prediction)
    course = _drawn(monkeypatch, label, found, steps=6)[-1]
    texts = [text.get_text() for text in course.get_yticklabels()]
    assert texts == ["a class with a ..."] * 4
    heights = course.patches[1].get_data()[0]
    assert heights.tolist() == [1, 0, 3, 1]
    many = OverTime(np.arange(1, 51), np.arange(50), np.eye(50, dtype=np.float32))
    assert len(_drawn(monkeypatch, label, many, steps=50)) == 2  # A row each would be no picture.


def test_one_class_of_a_recording_has_probabilities_and_no_course(monkeypatch):
    found = OverTime(np.int32([10, 960]), np.int64([1, 1]), np.float32([[1, 0, 0], [0, 1, 0]]))
    _, band = _drawn(monkeypatch, CLASS_PER_RECORD, found)
    assert band.get_xlabel() == "hours"
    assert not _drawn(monkeypatch, CLASS_PER_RECORD, found._replace(steps=np.zeros(0, int)))


@pytest.mark.parametrize("is_known", [True, False])
def test_values_are_drawn_with_the_true_ones_where_they_are_known(monkeypatch, is_known):
    values = np.arange(20, dtype=np.float32).reshape(10, 2)
    found = OverTime(np.arange(1, 11), values + 1 if is_known else None, values)
    _, axes = _drawn(monkeypatch, VALUE_PER_STEP, found, axis=TimeAxis(None, True), steps=10)
    drawn = [line.get_ydata().tolist() for line in axes.lines]
    expected = [part for unit in (0, 1) for part in (values[:, unit], values[:, unit] + 1)]
    assert drawn == [part.tolist() for part in expected[:: 1 if is_known else 2]]
    assert axes.get_xlabel() == "steps"

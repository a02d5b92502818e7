import numpy as np
import pytest

from pipeline.sources.label_kinds import LabelPlan, classes_spec
from pipeline.sources.labels.label import Label
from pipeline.sources.labels.looks import looks_of
from tfrecords_schema.schema import LabelSpec

_NAN = np.nan


@pytest.mark.parametrize(
    ("label", "rows", "missing", "is_whole", "columns"),
    [
        (3, 1, 0, True, ()),
        (_NAN, 1, 1, True, ()),
        ([1.0, _NAN, 3.0], 3, 1, True, ()),
        ([[1.0, _NAN, 3.0]], 3, 1, True, ()),
        ([1.0, 2.5], 2, 0, False, ()),
        ([1.0, np.inf], 2, 0, False, ()),
        ([[1.0, _NAN], [2.0, 3.0]], 2, 1, True, ()),
        ([[0, 1], [1, 0], [0, 1]], 3, 0, True, (1, 2)),
        ([[0.0, 1.0], [_NAN, _NAN], [1.0, 0.0]], 3, 1, True, (1, 1)),
        ([[0, 1], [1, 1]], 2, 0, True, ()),
        ([[0, 0], [0, 1]], 2, 0, True, ()),
        ([[0, 2], [2, 0]], 2, 0, True, ()),
        ([[True, False], [False, True]], 2, 0, True, (1, 1)),
        ([0, 1, 0], 3, 0, True, (0, 1, 0)),
        (np.zeros((0, 3)), 0, 0, False, ()),
    ],
)
def test_what_is_seen_in_a_label(label, rows, missing, is_whole, columns):
    assert looks_of(np.asarray(label))[:4] == (rows, missing, is_whole, columns)


@pytest.mark.parametrize(
    ("label", "ones", "unsure"),
    [
        ([[0, 1], [1, 1]], (1, 2), 0),
        ([[True, True], [False, False]], (1, 1), 0),
        ([[0.0, 1.0], [_NAN, 1.0], [-1.0, _NAN]], (0, 2), 2),
        ([1, 0, -1], (1, 0, 0), 1),
        ([[0, 2], [1, 1]], (), 0),
        ([[0.5, 1.0]], (), 0),
        ([[1]], (), 0),  # A column says no more than a number.
        (1, (), 0),
    ],
)
def test_rows_of_0_and_1_are_seen(label, ones, unsure):
    assert looks_of(np.asarray(label))[4:6] == (ones, unsure)


def test_rows_of_values_are_never_taken_for_classes():
    """As shares of classes are, of windows that are all one or another."""
    rows = np.array([[0.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
    assert Label.of_numbers(rows, "float32", "auto").looks.ones == (1, 1)
    assert Label.of_numbers(rows, "float32", "step_value").looks[3:] == ((), (), 0, 0)


@pytest.mark.parametrize(
    ("label", "known_classes", "known_rows"),
    [
        ([[_NAN, 0.0], [0.0, _NAN]], 2, 0),
        ([[_NAN, -1.0], [_NAN, -1.0]], 0, 0),
        ([[-1.0, -1.0]], 0, 1),
        ([[-1.0, 0.0]], 1, 1),
        ([[_NAN, _NAN]], 0, 0),
        ([[_NAN, 2.0], [0.0, 1.0]], 1, 1),  # Something else than 0 and 1 is told elsewhere.
    ],
)
def test_a_label_is_missing_where_no_class_or_no_row_of_it_is_known(
    label, known_classes, known_rows
):
    found = Label.of_numbers(np.array(label), "float32", "auto")
    classes = LabelPlan(classes_spec("step", ("a", "b"), True), "value", (0, 1), "", columns=2)
    values = LabelPlan(LabelSpec("step", "value", "float32", (2,)), "value", (), "")
    assert classes.is_missing(found) == (not known_classes)
    assert values.is_missing(found) == (not known_rows)

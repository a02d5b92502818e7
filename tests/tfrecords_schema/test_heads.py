"""Several labels side by side: columns, what each is alone, counts."""

import numpy as np
import pytest

from tfrecords_schema import DatasetError, InputSpec, LabelSpec, RecordSchema
from tfrecords_schema.labels import (
    Head,
    column_spans,
    missing_of_heads,
    of_head,
    side_by_side,
)

STAGE = LabelSpec("step", "class", class_names=("W", "N1", "N2"), has_missing=True)
APNEA = LabelSpec("step", "classes", "int8", (2,), ("central", "obstructive"), True)
AGE = LabelSpec("record", "value", "float32", (), has_missing=True)
SEVERAL = LabelSpec.of_heads([Head("stage", STAGE), Head("apnea", APNEA), Head("age", AGE)])
_LABELS = {
    "stage": np.array([0, 2, -1, 2]),
    "apnea": np.array([[1, 0], [-1, -1], [-1, -1], [1, 1]], np.int8),
    "age": np.float32(63.5),
}


def test_several_labels_are_columns_with_those_of_the_record_at_each_step() -> None:
    expected = [
        [0, 1, 0, 63.5],
        [2, np.nan, np.nan, 63.5],
        [np.nan, np.nan, np.nan, 63.5],
        [2, 1, 1, 63.5],
    ]
    found = side_by_side(_LABELS, SEVERAL, 4)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    for head, span in column_spans(SEVERAL):
        alone = of_head(found[:, span], head.label)
        assert alone.dtype == head.label.dtype
        given = np.broadcast_to(_LABELS[head.name], alone.shape)
        np.testing.assert_array_equal(alone, given)


def test_they_are_counted_each_by_itself() -> None:
    found = side_by_side(_LABELS, SEVERAL, 4)
    names = ("stage: W", "stage: N1", "stage: N2", "apnea: central", "apnea: obstructive")
    assert SEVERAL.class_names == names
    assert SEVERAL.class_totals(found).tolist() == [1, 0, 2, 2, 1]
    assert missing_of_heads(SEVERAL, found) == {"stage": 1, "apnea": 2, "age": 0}
    assert SEVERAL.is_known(found).all()
    unknown = SEVERAL.unknown(3)
    assert not SEVERAL.is_known(unknown).any()
    assert missing_of_heads(SEVERAL, unknown) == {"stage": 3, "apnea": 3, "age": 1}
    summary = "stage W:1 N2:2 unlabelled:1, apnea central:2 obstructive:1 unlabelled:2"
    assert SEVERAL.summary(found) == f"{summary}, age mean 63.5"


def test_a_record_of_several_labels_comes_back() -> None:
    schema = RecordSchema(InputSpec("signal", "float32", (1,)), SEVERAL)
    label = side_by_side(_LABELS, SEVERAL, 4)
    record = schema.parse(schema.encode("a", np.ones((4, 1), np.float32), label))
    np.testing.assert_array_equal(record["label"], label)


@pytest.mark.parametrize(
    "heads",
    [
        [Head("stage", STAGE)],
        [Head("stage", STAGE), Head("stage", AGE)],
        [Head("stage", STAGE), Head("a b", AGE)],
        [Head("stage", STAGE), Head("both", SEVERAL)],
        [Head("stage", STAGE), Head("next", LabelSpec("sequence", "value", "float32"))],
    ],
    ids=["one", "one name", "no name", "several within", "a sequence"],
)
def test_what_cannot_stand_side_by_side_is_refused(heads: list[Head]) -> None:
    with pytest.raises(DatasetError):
        LabelSpec.of_heads(heads)

"""What speaks against a division of a dataset is told; a good one gives no reason."""

import numpy as np
import pytest

from pipeline.doubts.division import doubts
from tests.datasets import CLASS_PER_RECORD, CLASS_PER_STEP, Record, write_dataset
from tfrecords_schema import InputSpec, LabelSpec, RecordSchema

_DATA = np.ones((3, 2), np.float32)


def _found(folder, splits, label=CLASS_PER_RECORD):
    """The doubts of a dataset; records are given as (group, label)."""
    records = {
        name: [Record(f"{name}{i}", _DATA, label, group) for i, (group, label) in enumerate(of)]
        for name, of in splits.items()
    }
    schema = RecordSchema(InputSpec("signal", "float32", (2,)), label)
    return doubts(write_dataset(folder, records, schema))


def _even(groups, prefix=""):
    return [(f"{prefix}g{group}", label) for group in range(groups) for label in range(3)]


def test_a_good_division_gives_no_reason(tmp_path):
    assert _found(tmp_path, {"train": _even(9), "test": _even(4, "t")}) == []


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        ({"train": _even(9), "test": _even(3, "t")}, "test has 3 groups: figures on it say little"),
        (
            {"train": [*_even(9), *(("g1", 0) for _ in range(9))]},
            "10 of 18 records of class [0] in train are of group g1",
        ),
        (
            {"train": [*(e for e in _even(40) if e[1] < 2), ("g1", 2), ("g2", 2)]},
            "train has few labels of fall (2 of 82)",
        ),
        (
            {"train": [e for e in _even(9) if e[1] < 2], "test": _even(4, "t")},
            "train has no label of class fall",
        ),
        ({"train": _even(1)}, "all 3 records are of one group, so no figure will be one of other"),
        ({"train": _even(9), "test": _even(4)}, "4 of 9 groups have records in more than one"),
        ({"train": [(f"g{i}", i % 3) for i in range(12)]}, "every record is a group of its own"),
    ],
)  # fmt: skip
def test_what_speaks_against_it_is_told(splits, expected, tmp_path):
    (found,) = _found(tmp_path, splits)
    assert expected in found


def test_a_class_of_few_steps_is_told(tmp_path):
    train = [(f"g{i // 2}", np.int64([0, 0, i == 1])) for i in range(80)]
    found = _found(tmp_path, {"train": train}, CLASS_PER_STEP)
    assert any("train has few labels of move (1 of 240)" in doubt for doubt in found)


def test_a_split_that_knows_nothing_of_a_label_is_told(tmp_path):
    age = LabelSpec("record", "value", "float32", has_missing=True)
    ages = [(f"g{i}", np.float32(i)) for i in range(9)] * 2
    unknown = [(f"t{i // 2}", np.float32(np.nan)) for i in range(8)]
    (found,) = _found(tmp_path / "a", {"train": ages, "test": unknown}, age)
    assert "test has no label that is known" in found
    some = [*unknown, ("t4", np.float32(1))]
    assert _found(tmp_path / "b", {"train": ages, "test": some}, age) == []


def test_the_conversion_says_it(converter, folders):
    for number in range(12):
        path = folders.inputs / f"subject_{number % 3}_take{number}.npz"
        np.savez(path, signal=_DATA, label=np.array("ab"[number % 2]))
    said = converter.run("--splits=train=1").text
    assert "worth a look" in said
    assert "'subject_0' is in 4 paths of train" in said
    assert "--group_regex='subject_\\d+'" in said
    again = converter.run("--splits=train=1", r"--group_regex=subject_\d+", "--overwrite").text
    assert "worth a look" not in again

"""Labels of any number of classes at once, from the folder to the dataset, and likely mistakes."""

import json

import numpy as np
import pytest

from pipeline.inspect.facts import gather
from pipeline.inspect.text import facts_text
from pipeline.verification.verify import verify_dataset
from tests.pipeline.conversions import Converter, Folders, read_records, rejects, write_npz

_SPLITS = ("--group_regex=g.", "--splits=test=1,train=rest")
_NAMES = ("cough", "sneeze", "wheeze")


def _truth(number: int, steps: int) -> np.ndarray:
    """`[steps, 3]` int8: all kinds of sets, also none; of some nothing is known."""
    rows = np.array([[at % 2, at // 2 % 2, at // 4 % 2] for at in range(8)], np.int8)
    found = rows[(number + 3 * np.arange(steps)) % 8]
    found[number % 4 :: 5] = -1
    return found


def _per_record(number: int) -> np.ndarray:
    """`[3]` int8: one of the eight sets; nothing is known of one record."""
    return np.array(
        [-1] * 3 if number == 5 else [number % 2, number // 2 % 2, number // 4], np.int8
    )


def _cell(row: np.ndarray) -> str:
    return "?" if (row < 0).all() else ";".join(np.array(_NAMES)[row > 0]) or ";"


_MAKES = {
    "integers per record": (lambda number, _: _per_record(number), "record", []),
    "floats per step": (
        lambda number, steps: np.where(_truth(number, steps) < 0, np.nan, _truth(number, steps)),
        "step", [],
    ),
    "cells per record": (
        lambda number, _: np.array(_cell(_per_record(number))),
        "record", ["--label_separator=;", "--ignore_label=?"],
    ),
    "lists per record": (
        lambda number, _: np.array([*filter(None, _cell(_per_record(number)).split(";"))], "U"),
        "record", ["--label_kind=record_classes", "--ignore_label=?"],
    ),
    "cells per step": (
        lambda number, steps: np.array([_cell(row) for row in _truth(number, steps)]),
        "step", ["--label_separator=;", "--ignore_label=?"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", _MAKES)
def test_any_number_of_classes_is_stored_as_it_is_and_counted(
    name: str, folders: Folders, converter: Converter
) -> None:
    make, per, flags = _MAKES[name]
    truth = {}
    for number in range(8):
        steps = 4 + number
        record = f"g{number // 2}_{number}"
        write_npz(folders, record, signal=np.ones((steps, 2)), label=make(number, steps))
        truth[record] = _per_record(number) if per == "record" else _truth(number, steps)
    names = f"--class_names={','.join(_NAMES)}"
    outcome = converter.run(*_SPLITS, *flags, names, "--dry_run")
    assert f"any of 3 classes per {per}" in outcome.text
    guess = "rows of 0 and 1, taken for any number of 3 classes at once; --label_kind="
    assert (guess in outcome.text) == (not flags)
    dataset = converter.dataset(*_SPLITS, *flags, names)
    spec = dataset.schema.label
    assert spec is not None
    assert (spec.per, spec.kind, spec.dtype, spec.shape) == (per, "classes", "int8", (3,))
    assert (spec.class_names, spec.has_missing, rejects(dataset)) == (_NAMES, True, [])
    found = {one: record["label"] for one, record in read_records(dataset).items()}
    for record, label in truth.items():
        np.testing.assert_array_equal(found[record], label)
    index, train = dataset.split("train"), dataset.manifest.splits["train"]
    of_train = np.concatenate([truth[one].reshape(-1, 3) for one in index.ids()])
    assert train.class_counts == dict(zip(_NAMES, (of_train > 0).sum(0).tolist(), strict=True))
    unlabelled = dataset.manifest.splits.get("unlabelled")
    assert (unlabelled.records if unlabelled else 0) == (per == "record")
    assert train.missing_labels == (of_train < 0).all(1).sum()
    assert not [*verify_dataset(dataset.path)]
    shares = (of_train > 0).sum(0) / (of_train >= 0).any(1).sum()
    assert f"({shares[0]:.1%})" in facts_text(gather(dataset))


def test_a_class_may_be_unknown_where_others_are_known(
    folders: Folders, converter: Converter
) -> None:
    rows = [[1, 0, 1], [-1, 1, 1], [0, -1, -1], [0, 0, 1], [1, 1, 0], [0, 0, 0]]
    for number, row in enumerate(rows):
        write_npz(folders, f"g{number}", signal=np.ones((4, 2)), label=np.array(row))
    dataset = converter.dataset(*_SPLITS)
    found = {one: record["label"].tolist() for one, record in read_records(dataset).items()}
    assert found == {f"g{number}": row for number, row in enumerate(rows)}
    assert dataset.manifest.splits["train"].missing_labels == 0


def test_cells_of_a_table_hold_names(folders: Folders, converter: Converter) -> None:
    rows = ["a;b", "b", ";", "b; c", "a", "c;a"]
    for number in range(6):
        write_npz(folders, f"g{number}", signal=np.ones((4, 2)))
    table = folders.output.parent / "labels.csv"
    table.write_text("id,label\n" + "".join(f"g{n},{row}\n" for n, row in enumerate(rows)))
    flags = (*_SPLITS, f"--labels={table}")
    without = converter.run(*flags, "--dry_run").text
    assert "may be several classes; if so, --label_separator=';' takes it for those" in without
    dataset = converter.dataset(*flags, "--label_separator=;")
    found = {one: record["label"].tolist() for one, record in read_records(dataset).items()}
    assert found["g0"] == [1, 1, 0]
    assert found["g2"] == [0, 0, 0]
    assert found["g3"] == [0, 1, 1]
    index = dataset.split("train")
    assert {"a;b", "b"} & {*index.labels()}


def test_a_table_of_json_has_lists_of_names(folders: Folders, converter: Converter) -> None:
    rows = [["a", "b"], ["b"], [], ["c", "b"], ["a"], ["a", "c"]]
    for number in range(6):
        write_npz(folders, f"g{number}", signal=np.ones((4, 2)))
    table = folders.output.parent / "labels.jsonl"
    lines = [json.dumps({"id": f"g{number}", "label": row}) for number, row in enumerate(rows)]
    table.write_text("\n".join(lines))
    dataset = converter.dataset(*_SPLITS, f"--labels={table}", "--label_kind=record_classes")
    found = {one: record["label"].tolist() for one, record in read_records(dataset).items()}
    assert found == {
        f"g{number}": [int(name in row) for name in "abc"] for number, row in enumerate(rows)
    }


def test_a_window_has_the_classes_of_most_of_its_samples(
    folders: Folders, converter: Converter
) -> None:
    rng = np.random.default_rng(0)
    labels = {}
    for number in range(6):
        labels[f"g{number}"] = rng.integers(0, 2, (12, 2))
        write_npz(folders, f"g{number}", signal=np.ones(12), label=labels[f"g{number}"])
    dataset = converter.dataset(*_SPLITS, "--window_samples=3")
    for one, record in read_records(dataset).items():
        expected = labels[one].reshape(4, 3, 2).sum(1) > 1.5
        np.testing.assert_array_equal(record["label"], expected)


_ROWS = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 1]])


@pytest.mark.parametrize(
    ("wrong", "flags", "said"),
    [
        (np.array([1, 0]), [], "shape is [2], expected [3] per record"),
        (np.array([1, 2, 0]), ["--label_kind=record_classes"], "its rows hold more than 0, 1"),
        (np.array([1, 2, 0]), [], "record_classes: rows of 0 and 1, or lists of names"),
        (np.array([1.0, 2, 0]), [], "--label_kind=record_classes rejects the others"),
        (None, ["--label_kind=record_class"], "(record_classes: any number of classes, as rows of"),
        (None, ["--label_separator=;"], "is between names, and the labels are numbers; leave it"),
        (None, ["--ignore_label=0"], "the labels are rows of 0 and 1; store NaN"),
        (None, ["--class_names=a,b"], "--class_names has 2 names, the labels are rows of 3"),
        (None, ["--label_kind=record_class", "--label_separator=;"], "leave one out"),
        (None, ["--label_kind=step_classes"], "neither names nor mostly rows [classes] of 0"),
        (None, ["--window_label=mean", "--window_samples=2"], "the labels are classes; use"),
    ],
)  # fmt: skip
def test_likely_mistakes_are_told(
    wrong: np.ndarray | None, flags: list[str], said: str, folders: Folders, converter: Converter
) -> None:
    for number, row in enumerate(_ROWS):
        label = row if wrong is None else (row if number else wrong).astype(wrong.dtype)
        if "--window_samples=2" in flags:
            label = np.tile(row, (4, 1))
        write_npz(folders, f"g{number}", signal=np.ones((4, 2)), label=label)
    flags = [*flags, "--max_rejected_fraction=0.5"]
    assert said in converter.run(*_SPLITS, *flags, "--dry_run").text


def test_splits_are_alike_in_every_class(folders: Folders, converter: Converter) -> None:
    """A class that 6 of 24 groups have, the other that 12 have: half of each in either split."""
    for number in range(24):
        label = np.array([number % 4 == 0, number % 2 == 0], int)
        write_npz(folders, f"g{number:02d}", signal=np.ones((4, 2)), label=label)
    flags = ("--splits=test=0.5,train=0.5", "--stratify", "--label_kind=record_classes")
    dataset = converter.dataset(*flags)
    assert dataset.manifest.splits["test"].class_counts == {"0": 3, "1": 6}


def test_a_class_without_a_label_in_training_is_told(
    folders: Folders, converter: Converter
) -> None:
    for number, row in enumerate(_ROWS):
        label = np.append(row, int(number == 3))
        split = "test" if number == 3 else "train"
        write_npz(folders, f"{split}/g{number}", signal=np.ones((5, 2)), label=label)
    flags = ("--split_regex=(?P<test>^test/)", "--dry_run")
    assert "train has no label of class 3" in converter.run(*flags).text


def test_rows_as_long_as_every_recording_may_mean_two_things(
    folders: Folders, converter: Converter
) -> None:
    for number, row in enumerate(_ROWS):
        write_npz(folders, f"g{number}", signal=np.ones((3, 2)), label=row)
    said = converter.run(*_SPLITS, "--dry_run").text
    assert "one of 2 classes per step" in said
    assert "--label_kind=record_classes takes it for any number of classes of a rec" in said

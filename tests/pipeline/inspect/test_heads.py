"""Several labels of a record, looked at: words, pictures, tables, doubts, and what is damaged."""

import dataclasses
import pathlib

import numpy as np
import pytest

from pipeline.console.tables import label_table
from pipeline.doubts.division import doubts
from pipeline.inspect.facts import gather
from pipeline.inspect.page import inspect_page
from pipeline.inspect.record_pictures import sample_picture
from pipeline.inspect.samples import Sample, TimeAxis, label_text
from pipeline.inspect.shortcuts import shortcut_table, shortcuts
from pipeline.verification.record_check import check_record
from tests.datasets import Record, write_dataset
from tfrecords_schema import Dataset, IndexRow, InputSpec, LabelSpec, RecordSchema, SplitEntry
from tfrecords_schema.labels import Head, side_by_side

_STAGE = LabelSpec("step", "class", class_names=("W", "N1", "N2"), has_missing=True)
_APNEA = LabelSpec("step", "classes", "int8", (2,), ("central", "mixed"), True)
_AGE = LabelSpec("record", "value", "float32")
_SEVERAL = LabelSpec.of_heads([Head("stage", _STAGE), Head("apnea", _APNEA), Head("age", _AGE)])
_COLUMNS = np.array([[0, 1, 0, 63], [2, np.nan, np.nan, 63], [np.nan, 1, 1, 63]], np.float32)
_SCHEMA = RecordSchema(InputSpec("signal", "float32", (2,)), _SEVERAL)


def test_each_label_is_told_by_its_own_kind() -> None:
    text = label_text(_COLUMNS, _SEVERAL)
    assert text == "stage W, N2, and some without, apnea central, mixed, and some without, age 63"


def test_each_label_of_steps_has_a_panel_below_the_signal() -> None:
    sample = Sample("a", 3, np.ones((3, 2), np.float32), np.arange(3), _COLUMNS)
    sizes = []
    for label in (_SEVERAL, _AGE):
        schema = RecordSchema(_SCHEMA.input, label)
        picture = sample_picture(sample, schema, TimeAxis(None, False))
        assert picture.startswith("data:image/png")
        sizes.append(picture._size[1])
    # A band of classes and lines of any number of them; an age has no time.
    assert sizes[0] - sizes[1] == pytest.approx(0.8 + 1.6)


def test_a_table_has_the_classes_of_each_with_shares_of_what_is_known_of_it() -> None:
    counts = {
        "stage: W": 3, "stage: N1": 1, "stage: N2": 0, "apnea: central": 3, "apnea: mixed": 6,
    }  # fmt: skip
    missing = {"stage": 6, "apnea": 4, "age": 1}
    entry = SplitEntry((), 2, 2, 10, 99, counts, {5: 2}, 1, missing)
    table = label_table(_SEVERAL, {"train": entry})
    assert [table.texts(row) for row in table.rows] == [
        ["stage: 0 = W", "3 (75.0%)"],
        ["stage: 1 = N1", "1 (25.0%)"],
        ["stage: 2 = N2", "0 (0.0%)"],
        ["stage: not known", "6 (60.0%)"],
        ["apnea: 0 = central", "3 (50.0%)"],
        ["apnea: 1 = mixed", "6 (100.0%)"],
        ["apnea: not known", "4 (40.0%)"],
        ["age: not known", "1 (50.0%)"],
    ]


def test_a_table_of_values_has_those_that_are_not_known() -> None:
    entry = SplitEntry((), 2, 2, 10, 99, {}, {5: 2}, missing_labels=4)
    splits = {"train": entry, "test": dataclasses.replace(entry, steps=20)}
    table = label_table(LabelSpec("step", "value", "float32", has_missing=True), splits)
    assert [*table.columns] == ["labels", "train", "test"]
    assert [table.texts(row) for row in table.rows] == [["not known", "4 (40.0%)", "4 (20.0%)"]]
    known = dataclasses.replace(entry, missing_labels=0)
    assert not label_table(LabelSpec("step", "value", "float32"), {"train": known}).rows


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ((0, 0), 3.0, "label: stage: class -1 to 3, expected -1 to 2"),
        ((0, 0), 0.5, "label: stage: class -1 to 2, expected -1 to 2"),
        ((0, 1), 2.0, "label: apnea: -1 to 2, expected -1 to 1"),
        ((1, 3), np.inf, "label: it holds NaN or infinity"),
        ((0, 0), 1.0, ""),
    ],
)
def test_what_is_no_label_of_its_head_is_found(
    place: tuple[int, int], value: float, said: str
) -> None:
    columns = _COLUMNS.copy()
    columns[place] = value
    record = _SCHEMA.encode("a", np.zeros((3, 2), np.float32), columns)
    row = IndexRow("a", "", "train", 0, 0, len(record) + 16, 3, 0, "a.npz", "")
    assert check_record(record, row, _SCHEMA).problem == said


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Of each recording a sex, which is in its length, and an age, which is not; all of a group."""
    sex = LabelSpec("record", "class", class_names=("f", "m"))
    several = LabelSpec.of_heads([Head("sex", sex), Head("age", _AGE)])
    rng, records = np.random.default_rng(0), []
    for number in range(48):
        steps, age = 4 + 4 * (number % 2), np.float32(rng.normal(40, 5))
        label = side_by_side({"sex": np.array(number % 2), "age": age}, several, steps)
        data = rng.normal(size=(steps, 2)).astype(np.float32)
        records.append(Record(f"r{number}", data, label, f"g{number}"))
    folder = pathlib.Path(tmp_path_factory.mktemp("people"))
    schema = RecordSchema(_SCHEMA.input, several)
    return write_dataset(folder, {"train": records[:40], "test": records[40:]}, schema)


def test_what_gives_each_label_away_is_told(people: Dataset) -> None:
    found = {one.by: one for one in shortcuts(people)}
    assert found["sex: length alone"].figure == 1
    assert "sex: length alone gives accuracy 1.000" in found["sex: length alone"].warning
    assert found["age: length alone"].figure > 0.8
    assert not found["age: length alone"].warning
    [_, figure] = shortcut_table([*found.values()], people.schema.label).columns
    assert figure == "accuracy, or error, as a share of the mean's"


def test_a_page_shows_several_labels(people: Dataset) -> None:
    page = inspect_page(gather(people), None, 2)
    assert "sex f, age " in page
    assert "sex: length alone" in page


def test_doubts_name_the_label_that_they_are_of(tmp_path: pathlib.Path) -> None:
    rows = np.array([[[0, 0, 1, 5]] * 3, [[0, 1, 0, 6]] * 3, [[1, 0, 1, 7]] * 3], np.float32)
    records = [
        Record(f"r{number}", np.ones((3, 2), np.float32), row, f"g{number}")
        for number, row in enumerate(rows)
    ]
    dataset = write_dataset(tmp_path, {"train": records, "test": records[:1]}, _SCHEMA)
    names = _SEVERAL.class_names
    counts = {
        "train": dict(zip(names, (6, 3, 0, 3, 6), strict=True)),
        "test": dict(zip(names, (3, 0, 0, 0, 3), strict=True)),
    }
    splits = {
        name: _counted(entry, counts[name]) for name, entry in dataset.manifest.splits.items()
    }
    object.__setattr__(dataset.manifest, "splits", splits)
    said = [one.partition(";")[0] for one in doubts(dataset)]
    assert "stage: train has no label of class N2" in said
    assert "stage: test has no label of the classes N1, N2" in said
    assert "apnea: test has no label of class central" in said
    assert not any(one.startswith("age") for one in said)


def _counted(entry: SplitEntry, counts: dict[str, int]) -> SplitEntry:
    fields = (entry.shards, entry.records, entry.groups, entry.steps, entry.size_bytes)
    return SplitEntry(*fields, counts, entry.length_histogram)

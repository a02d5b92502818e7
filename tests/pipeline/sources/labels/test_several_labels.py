"""Several labels of one recording, from the folder to the dataset, beside a plain NumPy loop."""

import dataclasses
import json
import re
from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest

from pipeline.console.errors import MissingLabelError
from pipeline.inspect.facts import gather
from pipeline.inspect.text import facts_text
from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds import make_source
from pipeline.sources.kinds.signals import SignalOptions, SignalSource
from pipeline.sources.labels.asked import asked_labels, said_of
from pipeline.verification.verify import verify_dataset
from tests.pipeline.batches.test_frames_batches import encoded_image
from tests.pipeline.conversions import Converter, Folders, read_records, rejects, write_npz
from tfrecords_schema import Dataset, open_dataset
from tfrecords_schema.labels import LabelSpec

_SPLITS = ("--group_regex=g.", "--splits=test=1,train=rest")
_KEYS = "--label_key=stage,apnea,age"
_COUNT = 8
_BARE, _NO_AGE, _NO_STAGE = 3, 5, 6  # Nothing is known of one, and of others not one label.


class _Truth(NamedTuple):
    """Labels of a record: `[steps]`, -1 where not known, `[steps, 2]` likewise, and NaN."""

    stage: np.ndarray
    apnea: np.ndarray
    age: float

    @property
    def columns(self) -> np.ndarray:
        """As a record holds them: `[steps, 4]`."""
        rows = []
        for stage, apnea in zip(self.stage.tolist(), self.apnea.tolist(), strict=True):
            row = [stage, *apnea, self.age]
            rows.append([np.nan if x == -1 else x for x in row])
        return np.array(rows, np.float32)


def _truth(number: int) -> _Truth:
    steps = 4 + number
    stage = (number + np.arange(steps)) % 3
    apnea = np.array([[at % 2, (at + number) // 2 % 2] for at in range(steps)])
    stage[number % 4 :: 4] = -1
    apnea[number % 3 :: 5] = -1
    if number == _BARE:
        stage[:], apnea[:] = -1, -1
    if number == _NO_STAGE:
        stage[:] = -1
    return _Truth(stage, apnea, np.nan if number in (_BARE, _NO_AGE) else 20.5 + number)


def _name(number: int) -> str:
    return f"g{number // 2}_{number}"


def _write(folders: Folders) -> dict[str, _Truth]:
    truth = {_name(number): _truth(number) for number in range(_COUNT)}
    for name, labels in truth.items():
        arrays = {"signal": np.ones((len(labels.stage), 2)), **labels._asdict()}
        if name == _name(_NO_STAGE):
            arrays["stage"] = np.array(-1)  # Of what nothing is known of, the shape is open.
        write_npz(folders, name, **arrays)
    return truth


def _labels(dataset: Dataset) -> dict[str, np.ndarray]:
    return {name: record["label"] for name, record in read_records(dataset).items()}


def _head(spec: LabelSpec | None, name: str) -> LabelSpec:
    assert spec is not None
    return next(head.label for head in spec.heads if head.name == name)


def test_labels_stand_side_by_side_and_are_counted_each(
    folders: Folders, converter: Converter
) -> None:
    truth = _write(folders)
    flags = (
        *_SPLITS,
        _KEYS,
        "--ignore_label=-1",
        "--class_names=stage=W,N1,N2;apnea=central,mixed",
    )
    dry_run, outcome = converter.run(*flags, "--dry_run"), converter.run(*flags)
    for text in (
        "label stage: one of 3 classes per step (in 6 of 6 records it is as long as the signal)",
        "label apnea: any of 2 classes per step (rows of 0 and 1, 2 columns)",
        "label age: float32 value per record",
        "without label stage, so without weight",
        "1 recording: without label age, so without weight",
        "apnea: the labels are rows of 0 and 1, taken for any number of 2 classes at once",
        "1 recording: without a label, in the split unlabelled",
        "label float64, stored as float32",
    ):
        assert text in outcome.text, text
    dataset = open_dataset(str(folders.dataset))
    _check_dry_run(dry_run.text, dataset)
    spec = dataset.schema.label
    assert spec is not None
    assert (spec.per, spec.kind, spec.dtype, spec.shape) == ("step", "heads", "float32", (4,))
    assert _head(spec, "stage") == LabelSpec("step", "class", class_names=("W", "N1", "N2"))
    assert _head(spec, "apnea").class_names == ("central", "mixed")
    assert _head(spec, "age") == LabelSpec("record", "value", "float32")
    assert all(head.label.has_missing for head in spec.heads)
    found = _labels(dataset)
    for name, labels in truth.items():
        np.testing.assert_array_equal(found[name], labels.columns)
    assert dataset.split("unlabelled").ids() == [_name(_BARE)]
    for split in ("train", "test"):
        _check_counts(dataset, split, truth)
    assert not [*verify_dataset(dataset.path)]
    text = facts_text(gather(dataset))
    assert "stage: 1 = N1" in text
    index = dataset.split("train")
    assert "age mean 20.5" in dict(zip(index.ids(), index.labels(), strict=True))[_name(0)]


def _check_counts(dataset: Dataset, split: str, truth: dict[str, _Truth]) -> None:
    """What a manifest counts, against counting one label after the other."""
    counts: Counter[str] = Counter()
    missing: Counter[str] = Counter(stage=0, apnea=0, age=0)
    for name in dataset.split(split).ids():
        stage, apnea, age = truth[name]
        for at in range(len(stage)):
            if stage[at] < 0:
                missing["stage"] += 1
            else:
                counts[f"stage: {('W', 'N1', 'N2')[stage[at]]}"] += 1
            missing["apnea"] += int(max(apnea[at]) < 0)
            for named, there in zip(("central", "mixed"), apnea[at], strict=True):
                counts[f"apnea: {named}"] += int(there > 0)
        missing["age"] += int(np.isnan(age))
    entry = dataset.manifest.splits[split]
    assert entry.class_counts == counts
    assert entry.missing_heads == missing


def _check_dry_run(said: str, dataset: Dataset) -> None:
    """What is told beforehand, against what was counted."""
    assert "label age: float32 value per record" in said
    assert "classes of stage: 0 = W, 1 = N1, 2 = N2" in said
    for name, label in (("stage: 0 = W", "stage: W"), ("apnea: 1 = mixed", "apnea: mixed")):
        count = dataset.manifest.splits["train"].class_counts[label]
        assert re.search(rf"{name} \d+ \([\d.]+%\) {count} \(", said)
    for head in ("stage", "age"):
        count = dataset.manifest.splits["train"].missing_heads[head]
        assert re.search(rf"{head}: not known \d+ \([\d.]+%\) {count} \(", said)
    # Rows of integers are looked into when they are read.
    names = ("label stage", "label age")
    told = [row for row in dataset.manifest.left_out if any(one in row.reason for one in names)]
    assert {row.what for row in told} == {"step", "recording"}
    for row in told:
        assert re.search(rf"\b{row.count} {row.what}s?: {row.reason}", said)


def test_labels_of_records_alone_are_one_row(folders: Folders, converter: Converter) -> None:
    truth = {}
    for number in range(12):
        serial = 2**24 + 2 * number + (number == 3)  # One that float32 does not hold.
        label = {"sex": ("f", "m")[number % 2], "serial": serial, "place": [number, 0.5]}
        truth[f"g{number:02d}"] = [serial, number % 2, number, 0.5]
        write_npz(folders, f"g{number:02d}", signal=np.ones((3 + number % 3, 2)), **label)
    keys = ("--label_key=serial,sex,place", "--label_kind=record_value,auto,auto")
    outcome = converter.run("--group_regex=g..", "--splits=test=3,train=rest", *keys)
    assert "1 label: whole number, float32 holds the nearest that it can" in outcome.text
    assert "component 0 of label serial has mean" in outcome.text
    dataset = open_dataset(str(folders.dataset))
    spec = dataset.schema.label
    assert spec is not None
    assert (spec.per, spec.shape, spec.has_missing) == ("record", (4,), False)
    assert _head(spec, "place").shape == (2,)
    for name, label in _labels(dataset).items():
        np.testing.assert_array_equal(label, np.array(truth[name], np.float32))
    assert dataset.manifest.splits["train"].missing_heads == {"sex": 0, "serial": 0, "place": 0}
    assert not [*verify_dataset(dataset.path)]


def test_labels_of_samples_become_those_of_windows_each_by_its_kind(
    folders: Folders, converter: Converter
) -> None:
    truth = {}
    for number in range(6):
        rng = np.random.default_rng(number)
        stage, force = rng.integers(-1, 3, 23), rng.normal(size=23).astype(np.float32)
        force[5:9] = np.nan
        rows = []
        for at in range(0, 20, 4):
            known = [int(one) for one in stage[at : at + 4] if one >= 0]
            commonest = sorted(known, key=lambda one: (-known.count(one), one))
            some = force[at : at + 4][~np.isnan(force[at : at + 4])].astype(np.float64)
            mean = some.mean() if len(some) else np.nan
            rows.append([commonest[0] if known else np.nan, mean, number % 2])
        truth[f"g{number}"] = np.array(rows, np.float32)
        label = {"stage": stage, "force": force, "ill": number % 2}
        write_npz(folders, f"g{number}", signal=np.ones((23, 2)), **label)
    keys = ("--label_key=stage,force,ill", "--window_samples=4", "--ignore_label=-1")
    dataset = converter.dataset(*_SPLITS, *keys)
    for name, label in _labels(dataset).items():
        np.testing.assert_allclose(label, truth[name], rtol=1e-6)
    said = converter.run(*_SPLITS, *keys, "--window_label=mean", "--dry_run", "--overwrite").text
    assert (
        "label force: float32 value per step (in 6 of 6 records it has the signal's samples; "
        in said
    )
    assert "a step has the mean of its 4" in said
    assert "a step has the commonest of its 4" in said


def test_a_table_has_several_columns(folders: Folders, converter: Converter) -> None:
    rows = [("w", 20.5), ("n", 21.5), ("", 22.5), ("w", ""), ("", ""), ("n", 25.5)]
    for number in range(6):
        write_npz(folders, f"g{number}", signal=np.ones((4, 2)))
    table = folders.output.parent / "labels.csv"
    lines = [f"g{number},{stage},{age}\n" for number, (stage, age) in enumerate(rows)]
    table.write_text("id,stage,age\n" + "".join(lines))
    flags = (*_SPLITS, f"--labels={table}", "--label_column=stage,age")
    rejected = converter.run(*flags, "--max_rejected_fraction=0.9", "--dry_run").text
    assert "row 3 of labels.csv has no 'stage'" in rejected
    left = converter.run(*flags, "--unlabelled=drop", "--dry_run").text
    assert "1 input: without a label (--unlabelled=drop)" in left
    dataset = converter.dataset(*flags, "--unlabelled=keep")
    found = _labels(dataset)
    for number, (stage, age) in enumerate(rows):
        expected = ["nw".index(stage) if stage else np.nan, age or np.nan]
        np.testing.assert_array_equal(found[f"g{number}"], np.array(expected, np.float32))
    assert dataset.split("unlabelled").ids() == ["g4"]


def test_labels_may_be_in_the_files_and_in_a_table_both(
    folders: Folders, converter: Converter
) -> None:
    ages = [31.5, None, 33.5, 34.5, None, 36.5]
    lines = []
    for number, age in enumerate(ages):
        arrays = {} if number in (2, 4) else {"stage": (number + np.arange(4)) % 2}
        write_npz(folders, f"g{number}", signal=np.ones((4, 2)), **arrays)
        lines += [f"g{number},{age}\n"] if age else []
    table = folders.output.parent / "labels.csv"
    table.write_text("id,age\n" + "".join(lines))
    flags = (*_SPLITS, "--label_key=stage", f"--labels={table}", "--label_column=age")
    dataset = converter.dataset(*flags, "--unlabelled=keep")
    found = _labels(dataset)
    for number, age in enumerate(ages):
        stage = np.full(4, np.nan) if number in (2, 4) else (number + np.arange(4)) % 2
        expected = np.stack([stage, np.full(4, np.nan if age is None else age)], 1)
        np.testing.assert_array_equal(found[f"g{number}"], expected.astype(np.float32))
    assert dataset.split("unlabelled").ids() == ["g4"]
    assert not rejects(dataset)


def test_an_annotation_of_frames_has_several_fields(folders: Folders, converter: Converter) -> None:
    for number in range(4):
        folder = folders.inputs / f"g{number}"
        folder.mkdir()
        for at in range(2 + number):
            (folder / f"{at}.png").write_bytes(encoded_image(at))
        speed = [number + 0.5 * at for at in range(2 + number)]
        speed[0] = None if number == 1 else speed[0]
        fields = {"speed": speed, "weather": ("dry", "wet")[number % 2], "other": 1}
        (folder / "annotation.json").write_text(json.dumps(fields))
    flags = ("--label_key=speed,weather", "--resize=4x4", "--label_kind=step_value,record_class")
    dataset = converter.dataset("--source=image_folders", *_SPLITS, *flags)
    for name, label in _labels(dataset).items():
        number = int(name[1])
        speed = number + 0.5 * np.arange(2 + number)
        speed[0] = np.nan if number == 1 else speed[0]
        expected = np.stack([speed, np.full(2 + number, number % 2)], 1)
        np.testing.assert_array_equal(label, expected.astype(np.float32))


def test_columns_of_rows_have_several_labels(folders: Folders, converter: Converter) -> None:
    for number in range(4):
        rows = [f"{at},{'ab'[at % 2]},{40.5 + number}\n" for at in range(3 + number)]
        rows = [row.replace(str(42.5), "") for row in rows]
        (folders.inputs / f"g{number}.csv").write_text("x,stage,age\n" + "".join(rows))
    flags = ("--label_key=stage,age", "--label_kind=step_class,record_value")
    dataset = converter.dataset("--source=tables", *_SPLITS, *flags)
    assert dataset.schema.input.step_shape == (1,)
    for name, label in _labels(dataset).items():
        number = int(name[1])
        age = np.nan if number == 2 else 40.5 + number
        expected = [[at % 2, age] for at in range(3 + number)]
        np.testing.assert_array_equal(label, np.array(expected, np.float32))


@pytest.mark.parametrize("keys", ["stage,age", "labels/stage,age"])
def test_a_recording_to_predict_has_its_labels_or_not(folders: Folders, keys: str) -> None:
    signal = np.arange(8, dtype=np.float32).reshape(4, 2)
    first = keys.partition(",")[0].replace("/", "_")
    write_npz(folders, "all", x=signal, age=31.5, **{keys.partition(",")[0]: np.arange(4)})
    write_npz(folders, "some", x=signal, age=31.5)
    write_npz(folders, "none", x=signal)
    options = SignalOptions(str(folders.inputs), "", "test", label_key=keys, unlabelled="keep")
    assert [asked.name for asked in options.asked_labels] == [first, "age"]
    source = SignalSource(options, GFiles())
    for name, known in (("all", [True, True]), ("some", [False, True]), ("none", [False] * 2)):
        np.testing.assert_array_equal(source.read_data(f"{name}.npz"), signal)
        found = source.read(f"{name}.npz")
        np.testing.assert_array_equal(found.data, signal)
        assert [label is not None for label in found.labels] == known
        described = source.describe(f"{name}.npz").labels
        assert [label is not None for label in described] == known


def test_labels_in_a_table_do_without_a_file_of_targets(folders: Folders) -> None:
    targets = folders.output.parent / "targets"
    targets.mkdir()
    for name in ("a", "b"):
        write_npz(folders, name, x=np.ones((4, 2)))
    np.savez(targets / "a.npz", stage=np.arange(4))
    table = folders.output.parent / "labels.csv"
    table.write_text("id,age\na,31.5\nb,32.5\n")
    options = SignalOptions(
        str(folders.inputs), "", "test", label_key="stage", label_column="age",
        labels=str(table), target_dir=str(targets), unlabelled="keep",
    )  # fmt: skip
    source = make_source(options, GFiles())
    stage, age = source.read("a.npz").labels
    assert (stage.tolist(), age) == ([0, 1, 2, 3], 31.5)
    missing, age = source.read("b.npz").labels
    assert (missing, age) == (None, 32.5)
    assert source.describe("b.npz").labels[0] is None
    strict = dataclasses.replace(options, unlabelled="auto")
    with pytest.raises(MissingLabelError, match="no target file"):
        make_source(strict, GFiles()).describe("b.npz")


def test_a_name_is_one_of_a_file_and_a_flag() -> None:
    asked = asked_labels("a b,2nd,x-y", "th\u00e9", "auto", ("x-y=a", "b;_2nd=c"))
    assert [one.name for one in asked] == ["a_b", "_2nd", "x-y", "th\u00e9"]
    assert [one.class_names for one in asked] == [(), ("c",), ("a", "b"), ()]
    assert [(one.key, one.column) for one in asked][2:] == [("x-y", ""), ("", "th\u00e9")]


def test_what_is_said_of_one_label_names_the_kinds_of_all() -> None:
    several = asked_labels("stage,apnea,age", "", "auto,auto,record_value", ())
    text = "--label_kind=step_value takes them for values"
    assert said_of(1, several, text) == (
        "apnea: --label_kind=auto,step_value,record_value takes them for values"
    )
    assert said_of(0, asked_labels("stage", "", "auto", ()), text) == text


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--label_key=stage,stage"], "would both be called stage; name each label once"),
        (["--label_key=a b,a.b"], "'a b' and 'a.b' would both be called a_b"),
        (["--label_key=stage,,age"], "a name is empty; name labels with commas between"),
        ([_KEYS, "--label_kind=step_class,auto"], "has 2 kinds, the labels are stage, apnea, age"),
        ([_KEYS, "--label_kind=auto,auto,step_clas"], "did you mean step_class?"),
        ([_KEYS, "--label_kind=sequence_value"], "--label_kind=sequence_value is not for one of"),
        ([_KEYS, "--label_kind=auto,none,auto"], "--label_kind=none is not for one of several"),
        (["--label_key=age", "--label_kind=auto,auto"], "is of several labels; name them in"),
        ([_KEYS, "--class_names=W,N1"], "expected the classes of each of several labels, once, as"),
        ([_KEYS, "--class_names=sleep=W,N1"], "the labels are stage, apnea, age"),
        ([_KEYS, "--class_names=stage=W,W"], "a name occurs twice; name each class once"),
        ([_KEYS, "--label_regex=g."], "give --label_key or --label_regex, not both"),
        ([_KEYS, "--label_kind=record_value,auto,auto"], "stage: the label's shape is ["),
        (["--label_key=stage,nothing"], "no array 'nothing' (--label_key); the file has"),
        (["--label_key=stage,nothing"], "a recording may lack some labels; one that lacks all is"),
        (["--label_key=stage,signal", "--signal_key=signal"], "--label_key are both signal; name"),
    ],
)  # fmt: skip
def test_likely_mistakes_are_told(
    flags: list[str], said: str, folders: Folders, converter: Converter
) -> None:
    for number in range(3):
        labels = {"stage": np.arange(4 + number) % 2, "apnea": np.eye(4 + number)[:, :2]}
        write_npz(folders, f"g{number}", signal=np.ones((4 + number, 2)), age=7.5, **labels)
    assert said in converter.run(*_SPLITS, *flags, "--dry_run").text

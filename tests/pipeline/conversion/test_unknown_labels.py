"""Labels that are not known, from the folder to the dataset, and those that may mean two things."""

import hashlib
import json
import pathlib

import numpy as np
import pytest

from pipeline.console.errors import MissingLabelError
from pipeline.inspect.facts import gather
from pipeline.inspect.text import facts_text
from pipeline.sources.annotations import describe_label, label_array
from pipeline.verification.verify import verify_dataset
from tests.pipeline.conversions import Converter, Folders, read_records, rejects, write_npz
from tfrecords_schema import LabelSpec

_SPLITS = ("--group_regex=g.", "--splits=test=1,train=rest")
_NAN = np.nan


def _write(folders: Folders, label_of, count: int = 8) -> dict[str, np.ndarray]:
    labels = {}
    for number in range(count):
        steps = 3 + number
        label = label_of(np.random.default_rng(number), steps, number)
        name = f"g{number // 2}_{number}"
        signal = np.full((steps, 2), float(number), np.float32)
        write_npz(folders, name, signal=signal, **({} if label is None else {"label": label}))
        labels[name] = label
    return labels


def _class_per_step(rng, steps, number):
    label = rng.integers(0, 3, steps)
    label[0] = -1 if number != 3 else label[0]
    return np.full(steps, -1) if number == 5 else label


def _value_per_step(rng, steps, number):
    label = rng.normal(size=(steps, 2))
    label[0, 1] = _NAN
    return np.full((steps, 2), _NAN) if number == 5 else label


def _float_class_per_step(rng, steps, number):
    label = _class_per_step(rng, steps, number).astype(float)
    return np.where(label < 0, _NAN, label)


def _class_per_record(rng, steps, number):
    return -1 if number == 5 else number % 3


def _text_per_record(rng, steps, number):
    return np.array("?" if number == 5 else "ab"[number % 2])


def _value_per_record(rng, steps, number):
    return [_NAN, 0.5] if number == 5 else [0.5, float(number)]


def _one_hot_per_step(rng, steps, number):
    rows = np.eye(3)[rng.integers(0, 3, steps)]
    rows[0] = _NAN
    return np.full((steps, 3), _NAN) if number == 5 else rows


_MAKES = {
    "class_per_step": (_class_per_step, ["--ignore_label=-1"], "step", "class"),
    "float_class_per_step": (_float_class_per_step, ["--label_kind=step_class"], "step", "class"),
    "value_per_step": (_value_per_step, [], "step", "value"),
    "class_per_record": (_class_per_record, ["--ignore_label=-1,9"], "record", "class"),
    "text_per_record": (_text_per_record, ["--ignore_label=?"], "record", "class"),
    "value_per_record": (_value_per_record, [], "record", "value"),
    "one_hot_per_step": (_one_hot_per_step, [], "step", "class"),
}


@pytest.mark.parametrize("name", _MAKES)
def test_labels_that_are_not_known_are_stored_as_such_and_counted(
    name: str, folders: Folders, converter: Converter
) -> None:
    make, flags, per, kind = _MAKES[name]
    labels = _write(folders, make)
    dataset = converter.dataset(*_SPLITS, *flags)
    spec = dataset.schema.label
    assert spec is not None
    assert (spec.per, spec.kind, spec.has_missing) == (per, kind, True)
    splits = dataset.manifest.splits
    assert [*splits] == ["test", "train", "unlabelled"]
    assert (splits["unlabelled"].records, rejects(dataset)) == (1, [])
    records = read_records(dataset)
    for record, label in labels.items():
        found = np.asarray(records[record]["label"])
        known = _known(np.asarray(label), spec)
        np.testing.assert_array_equal(spec.is_known(found), known)
        if kind == "value":
            np.testing.assert_array_equal(found[known], np.float32(label)[known])
        elif name == "one_hot_per_step":
            np.testing.assert_array_equal(found[known], label[known].argmax(-1))
        elif name != "text_per_record":
            np.testing.assert_array_equal(found[known], np.asarray(label)[known])
    for split in splits.values():
        total = split.steps if per == "step" else split.records
        if kind == "class":
            assert sum(split.class_counts.values()) == total - split.missing_labels
    assert splits["unlabelled"].missing_labels == (8 if per == "step" else 1)
    assert splits["train"].missing_labels + splits["test"].missing_labels == (
        (6 if name in ("class_per_step", "float_class_per_step") else 7) * (per == "step")
    )
    assert not [*verify_dataset(dataset.path)]
    shown = facts_text(gather(dataset))
    assert "no label" in shown or per == "record"
    statistics = dataset.manifest.statistics
    assert statistics is not None
    of_train = [records[one]["signal"] for one in dataset.split("train").ids()]
    assert statistics.mean[0] == pytest.approx(np.concatenate(of_train).mean())


def _known(label: np.ndarray, spec: LabelSpec) -> np.ndarray:
    if label.dtype.kind == "U":
        return label != "?"
    if label.dtype.kind == "f":
        is_nan = np.isnan(label)
        return ~(is_nan.any(-1) if label.ndim > (spec.per == "step") else is_nan)
    return label >= 0


def test_records_without_a_label_divide_and_train_nothing(
    folders: Folders, converter: Converter
) -> None:
    """The shards of the others are those of a folder without them, bit for bit."""
    _write(folders, lambda rng, steps, number: number % 2 if number != 5 else -1)
    kept = converter.dataset(*_SPLITS, "--ignore_label=-1")
    shards = _shards(folders.dataset)
    flags = ("--ignore_label=-1", "--unlabelled=drop", "--dry_run", "--overwrite")
    assert "1 input: without a label (--unlabelled=drop)" in converter.run(*_SPLITS, *flags).text
    (folders.inputs / "g2_5.npz").unlink()
    without = converter.dataset(*_SPLITS, "--overwrite")
    assert {k: v for k, v in shards.items() if "unlabelled" not in k} == _shards(folders.dataset)
    assert kept.manifest.statistics == without.manifest.statistics


def _shards(folder: pathlib.Path) -> dict[str, str]:
    files = folder.glob("*.tfrecord-*")
    return {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in files}


def test_records_whose_label_is_not_there_are_rejected_kept_or_left_out(
    folders: Folders, converter: Converter
) -> None:
    _write(folders, lambda rng, steps, number: None if number < 3 else number % 2)
    outcome = converter.run(*_SPLITS)
    assert outcome.code == 1
    assert "no label (arrays named label or y)" in outcome.text
    assert "--unlabelled=keep keeps such recordings for prediction" in outcome.text
    for flags in ((), ("--label_key=label",)):  # Not found, or not there under its name.
        dropped = converter.run(*_SPLITS, "--unlabelled=drop", "--dry_run", *flags).text
        assert "unlabelled 3" not in dropped
        assert "3 inputs: without a label (--unlabelled=drop)" in dropped
    kept = converter.dataset(*_SPLITS, "--unlabelled=keep", *flags)
    assert sorted(kept.split("unlabelled").ids()) == ["g0_0", "g0_1", "g1_2"]


def test_rows_of_a_table_may_lack_a_label_or_be_missing(
    folders: Folders, converter: Converter
) -> None:
    _write(folders, lambda rng, steps, number: None)
    rows = [f"g{n // 2}_{n},{n % 2 if n != 4 else ''}" for n in range(7)]
    table = folders.output.parent / "labels.csv"
    table.write_text("\n".join(["id,label", *rows]) + "\n")
    flags = (*_SPLITS, f"--labels={table}")
    assert "row 5 of labels.csv has no 'label'" in converter.run(*flags, "--dry_run").text
    kept = converter.dataset(*flags, "--unlabelled=keep")
    assert sorted(kept.split("unlabelled").ids()) == ["g2_4", "g3_7"]
    assert not rejects(kept)


def test_values_of_annotations_may_be_null() -> None:
    label = label_array([0.5, None, 1], "v", "auto")
    np.testing.assert_array_equal(label, [0.5, _NAN, 1.0])
    found = describe_label(label_array([1, None], "v", "step_class"), "step_class")
    assert (found.form, found.classes, found.missing) == ("integer", (1,), 1)
    with pytest.raises(MissingLabelError, match=r"'v' of annotation\.json is null"):
        label_array(None, "v", "auto")


@pytest.mark.parametrize(
    ("make", "flags", "said"),
    [
        (_class_per_step, [], "class -1 may stand for what is not labelled; if so, "
         "--ignore_label=-1 gives that no weight"),
        (_text_per_record, [], "--ignore_label='?' gives that no weight"),
        (_class_per_step, ["--ignore_label=7"], "--ignore_label=7 is the label of no recording"),
        (lambda rng, steps, _: np.eye(2, dtype=int)[rng.integers(0, 2, steps)],
         ["--ignore_label=0"], "the labels are rows of 0 and 1; store NaN"),
        (_value_per_step, ["--ignore_label=-1"], "the labels are values; store "
         "NaN"),
        (lambda *_: _NAN, [], "not one label is known: all are NaN"),
        (lambda *_: -1, ["--ignore_label=-1"], "as --ignore_label=-1 is all there is"),
        (_class_per_step, ["--splits=train=0.5,unlabelled=0.5"], "give yours another name"),
        (lambda rng, steps, _: rng.integers(0, 2, steps) * 1.0, [], "--label_kind=step_class takes "
         "them for classes, --label_kind=step_value for values"),
        (lambda rng, steps, _: np.eye(2)[rng.integers(0, 2, steps)], [], "(one-hot), taken for 2 "
         "classes; --label_kind=step_value takes them for 2 values"),
        (lambda rng, steps, _: np.eye(2)[rng.integers(0, 2, steps)], ["--class_names=a,b,c"],
         "--class_names has 3 names, the labels are rows of 2 columns"),
        (lambda rng, steps, n: np.eye(2)[rng.integers(0, 2, steps)] * (1 if n else 0),
         ["--label_kind=step_class"], "its rows are not all 0 with a single 1"),
        (lambda rng, steps, n: rng.integers(0, 2, steps) * (1.0 if n == 1 else 1), [],
         "use --label_kind=step_class, as all are whole numbers"),
    ],
)  # fmt: skip
def test_what_may_be_meant_otherwise_is_said(
    make, flags: list[str], said: str, folders: Folders, converter: Converter
) -> None:
    _write(folders, make)
    assert said in converter.run(*_SPLITS, "--dry_run", *flags).text


def test_windows_count_samples_whose_label_is_known(folders: Folders, converter: Converter) -> None:
    classes = np.array([-1, -1, 2, -1, -1, -1, 0, 1, 1, 1])
    values = np.where(classes < 0, _NAN, classes + 0.5)
    for name, label in (("classes", classes), ("values", values)):
        write_npz(folders, name, signal=np.zeros((10, 1), np.float32), label=label)
        flags = ("--splits=train=1", "--window_samples=3", "--tail=pad", "--ignore_label=-1")
        chosen = flags if name == "classes" else flags[:-1]
        dataset = converter.dataset(*chosen, "--overwrite")
        found = read_records(dataset)[name]["label"]
        is_class = name == "classes"
        missing, expected = (-1, [2, -1, 1, 1]) if is_class else (_NAN, [2.5, -1, 7 / 6, 1.5])
        assert dataset.manifest.splits["train"].missing_labels == 1
        np.testing.assert_allclose(found, np.where(np.equal(expected, -1), missing, expected))
        (folders.inputs / f"{name}.npz").unlink()


def test_the_schema_of_sets_of_which_every_label_is_known_is_as_it_was(
    folders: Folders, converter: Converter
) -> None:
    _write(folders, lambda rng, steps, number: number % 2)
    dataset = converter.dataset(*_SPLITS)
    manifest = json.loads((folders.dataset / "manifest.json").read_text())
    assert not {"ignore_label", "unlabelled"} & {*manifest["options"]}
    assert all("missing_labels" not in split for split in manifest["splits"].values())
    assert "has_missing" not in json.dumps(manifest)
    assert dataset.schema.label == LabelSpec("record", "class", class_names=("0", "1"))

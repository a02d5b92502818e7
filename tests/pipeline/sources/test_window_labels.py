"""Labels of every sample, and other layouts of a signal, as labels and steps of a record."""

import collections

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from pipeline.sources.label_kinds import LabelPlan, classes_spec
from pipeline.sources.labels.records import convert_label
from pipeline.sources.window_labels import WindowLabels
from tests.pipeline.conversions import Converter, Folders, read_records, rejects, write_npz

_LABELS = st.lists(st.integers(-2, 3), min_size=5, max_size=40)


def _windows(labels: list[int], samples: int, keeps_tail: bool) -> list[list[int]]:
    cut = [labels[i : i + samples] for i in range(0, len(labels), samples)]
    return cut if keeps_tail or len(cut[-1]) == samples else cut[:-1]


@given(labels=_LABELS, samples=st.integers(1, 5), keeps_tail=st.booleans())
def test_the_label_of_a_window_is_the_commonest_mean_or_last_of_its_samples(
    labels: list[int], samples: int, keeps_tail: bool
) -> None:
    windows = _windows(labels, samples, keeps_tail)
    commonest = [min(w, key=lambda c: (-collections.Counter(w)[c], c)) for w in windows]
    array = np.array(labels)
    for reduction, expected in (
        ("majority", commonest),
        ("last", [window[-1] for window in windows]),
        ("mean", np.array([np.mean(window) for window in windows], np.float32)),
    ):
        found = WindowLabels(samples, reduction, keeps_tail).reduce(array)
        np.testing.assert_array_equal(found, expected, err_msg=reduction)


def test_vectors_of_every_sample_have_a_mean_of_their_own() -> None:
    found = WindowLabels(2, "mean", True).reduce(np.array([[0, 1], [2, 3], [9, 7]]))
    np.testing.assert_array_equal(found, np.array([[1, 2], [9, 7]], np.float32))


def test_of_a_single_class_samples_count_where_it_is_known() -> None:
    spec, windows = classes_spec("step", ("a",), True), WindowLabels(5, "majority")
    plan = LabelPlan(spec, "names", ("a",), "", windows, ignored=("?",), separator=";")
    label = np.array(["?", "?", "?", "a", "a", ";", ";", "?", "a", "?", *"?????"])
    assert convert_label(label, plan).tolist() == [[1], [0], [-1]]


def _write(folders: Folders, label: list[np.ndarray], axis: int = 0) -> None:
    for number, values in enumerate(label):
        signal = np.arange(2 * len(values), dtype=np.float32).reshape(-1, 2)
        write_npz(folders, f"r{number}", signal=np.moveaxis(signal, 0, axis), label=values)


_TEXTS = [np.array(list("aabbb")), np.array(list("bbaaaab")), np.array(list("ab"))]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((), {"r0": [0, 1], "r1": [1, 0, 0], "r2": [0]}),
        (("--label_kind=sample_class",), {"r0": [0, 1], "r1": [1, 0, 0], "r2": [0]}),
        (("--window_label=last",), {"r0": [0, 1], "r1": [1, 0, 0], "r2": [1]}),
        (("--tail=pad",), {"r0": [0, 1, 1], "r1": [1, 0, 0, 1], "r2": [0]}),
    ],
)
def test_labels_of_every_sample_become_labels_of_windows(
    flags: tuple[str, ...], expected: dict, folders: Folders, converter: Converter
) -> None:
    _write(folders, _TEXTS)
    dataset = converter.dataset("--window_samples=2", "--splits=train=1", *flags)
    assert dataset.schema.label is not None
    assert (dataset.schema.label.per, dataset.schema.label.class_names) == ("step", ("a", "b"))
    records = read_records(dataset)
    assert {name: record["label"].tolist() for name, record in records.items()} == expected


def test_what_was_inferred_is_said(folders: Folders, converter: Converter) -> None:
    _write(folders, _TEXTS)
    outcome = converter.run("--window_samples=2", "--splits=train=1")
    assert "in 3 of 3 records it has the signal's samples; one per sample; a step has the " in (
        outcome.text
    )


def test_channels_first_is_the_same_as_channels_last(
    folders: Folders, converter: Converter
) -> None:
    flags = ("--window_samples=2", "--splits=train=1")
    _write(folders, _TEXTS)
    expected = read_records(converter.dataset(*flags))
    _write(folders, _TEXTS, axis=1)
    for axis in (1, -1):
        found = read_records(converter.dataset(*flags, f"--time_axis={axis}", "--overwrite"))
        assert found.keys() == expected.keys()
        for name, record in found.items():
            np.testing.assert_array_equal(record["signal"], expected[name]["signal"])
            np.testing.assert_array_equal(record["label"], expected[name]["label"])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--label_kind=sample_class",), "--label_kind=sample_class is for continuous signals"),
        (("--window_label=last",), "--window_label=last is for continuous signals"),
        (("--tail=pad",), "--tail=pad is for continuous signals"),
        (("--window_samples=2", "--window_label=mean"), "the labels are classes; use majority"),
        (("--window_samples=6",), "with channels first, add --time_axis=1"),
        (("--time_axis=2",), "no axis 2 (--time_axis)"),
        (("--single_step", "--time_axis=1"), "--single_step does not go with --time_axis"),
        (
            ("--window_samples=1", "--label_kind=sample_class"),
            "expected one label for each of the signal's 2 samples",
        ),
    ],
)
def test_what_cannot_be_is_said(
    flags: tuple[str, ...], message: str, folders: Folders, converter: Converter
) -> None:
    axis = 1 if "--window_samples=6" in flags or "sample_class" in flags[-1] else 0
    _write(folders, [np.array(list("aababba"))], axis=axis)
    outcome = converter.run(*flags)
    assert outcome.code != 0
    assert message in outcome.text


@pytest.mark.parametrize(("reduction", "rejected"), [("last", ["r3.npz"]), ("mean", [])])
def test_values_that_are_not_averaged_must_have_one_dtype(
    folders: Folders, converter: Converter, reduction: str, rejected: list[str]
) -> None:
    _write(folders, [np.array([3, 4])] * 3 + [np.array([0.2, 0.7])])
    dataset = converter.dataset(
        "--window_samples=2", "--label_kind=sample_value", f"--window_label={reduction}",
        "--splits=train=1", "--max_rejected_fraction=0.5",
    )  # fmt: skip
    found = rejects(dataset)
    assert [reject["path"] for reject in found] == rejected
    assert all("label dtype float32, most of the set's are int64" in r["reason"] for r in found)

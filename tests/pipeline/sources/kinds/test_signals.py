"""Which array is what in an npz file, and what is read of it."""

import os
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds.signals import SignalOptions, SignalSource
from tests.pipeline.conversions import Converter, Folders, read_records, rejects, write_npz

_VALUES = "--label_kind=step_value"
_LAST_OF_TWO = ("--window_samples=2", "--window_label=last")
_X, _Y = np.zeros((4, 2), np.float32), np.ones((4, 2), np.float32)


def _source(folders: Folders, **options: Any) -> SignalSource:
    return SignalSource(SignalOptions(str(folders.inputs), "", "test", **options), GFiles())


@pytest.mark.parametrize(
    ("arrays", "options", "signal", "label"),
    [
        ({"y": _Y}, {}, _Y, None),
        ({"y": _Y}, {"signal_key": "y"}, _Y, None),
        ({"x": _X, "y": _Y}, {"signal_key": "y"}, _Y, None),
        ({"x": _X, "y": _Y}, {"signal_key": "x"}, _X, _Y),
        ({"x": _X, "y": _Y}, {}, _X, _Y),
        ({"label": _X, "y": _Y}, {"signal_key": "label"}, _X, _Y),
        ({"y": _Y, "subject": 3}, {"group_key": "subject"}, _Y, None),
        ({"y": _Y, "fold": "test"}, {"split_key": "fold"}, _Y, None),
        ({"y": _Y, "sr": 16_000}, {}, _Y, None),
        ({"y": _Y, "sr": np.array([16_000])}, {}, _Y, None),
        ({"sr": np.array([[16_000]]), "y": _Y, "note": "dog"}, {}, _Y, None),
        ({"y": _Y, "sr": [16_000], "label": 3}, {}, _Y, 3),
        ({"x": _X, "y": 3, "sr": [16_000]}, {}, _X, 3),
        ({"x": _X[:1, :1], "y": [3]}, {}, _X[:1, :1], [3]),
        ({"x": _X[:1, :1], "y": 3, "sr": 16_000}, {}, _X[:1, :1], 3),
    ],
)
def test_the_signal_is_not_its_own_label(
    folders: Folders, arrays: dict, options: dict, signal: np.ndarray, label: np.ndarray | None
) -> None:
    write_npz(folders, "a", **arrays)
    source = _source(folders, **options)
    record = source.read("a.npz")
    np.testing.assert_array_equal(record.data, signal)
    np.testing.assert_array_equal(source.read_data("a.npz"), signal)
    np.testing.assert_array_equal(record.labels[0], label)
    assert (source.describe("a.npz").labels[0] is None) == (label is None)


@pytest.mark.parametrize("label_key", ["", "y", "missing"])
def test_without_labels_no_array_is_kept_from_being_the_signal(
    folders: Folders, label_key: str
) -> None:
    write_npz(folders, "a", x=3, y=_Y)
    source = _source(folders, label_kind="none", label_key=label_key)
    assert source.describe("a.npz").step_shape == (2,)
    np.testing.assert_array_equal(source.read_data("a.npz"), _Y)


def test_a_signal_that_is_one_number_is_told_as_such(folders: Folders) -> None:
    write_npz(folders, "a", x=3.5)
    source = _source(folders)
    for read in (source.describe, source.read, source.read_data):
        with pytest.raises(RejectedInputError, match=r"'x' has shape \[\]; expected at least one"):
            read("a.npz")
    single = _source(folders, single_step=True)
    assert single.describe("a.npz").steps == 1
    assert single.read("a.npz").data.tolist() == [[3.5]]


@pytest.mark.parametrize(
    ("signal", "label", "reason"),
    [
        (np.zeros((0, 2)), 3, "signal 'signal' has shape [0, 2]; expected at least one time step"),
        (np.zeros((0, 2)), np.arange(5), "signal 'signal' has shape [0, 2]; expected at least"),
        (5.0, 3, "no array could be the signal (arrays: signal [], label []); name it with"),
    ],
)
def test_a_signal_with_nothing_in_it_beside_a_label_is_told_at_once(
    folders: Folders, signal: Any, label: Any, reason: str
) -> None:
    write_npz(folders, "a", signal=signal, label=label)
    source = _source(folders)
    for read in (source.describe, source.read, source.read_data):
        with pytest.raises(RejectedInputError) as error:
            read("a.npz")
        assert reason in str(error.value)


@pytest.mark.parametrize(
    ("turn_signal", "turn_label", "flags", "dtype"),
    [
        (np.transpose, lambda label: label[None], ("--time_axis=1",), np.int64),
        (np.transpose, lambda label: label, ("--time_axis=1", _VALUES), np.float64),
        (np.asarray, lambda label: label[None], (_VALUES,), np.float64),
        (np.transpose, lambda label: label[None], ("--time_axis=1", *_LAST_OF_TWO), np.int64),
    ],
)
def test_rows_are_taken_like_columns(
    folders: Folders,
    converter: Converter,
    turn_signal: Callable[[np.ndarray], np.ndarray],
    turn_label: Callable[[np.ndarray], np.ndarray],
    flags: tuple[str, ...],
    dtype: type,
) -> None:
    records = {f"r{n}": (np.arange(n + 4.0)[:, None], np.arange(n + 4) % 3) for n in range(3)}
    for name, (signal, label) in records.items():
        label = turn_label(label.astype(dtype))
        write_npz(folders, name, signal=turn_signal(signal), label=label)
    found = read_records(converter.dataset("--splits=train=1", *flags))
    assert found.keys() == records.keys()
    for name, (signal, label) in records.items():
        if "--window_samples=2" in flags:
            steps = len(signal) // 2
            signal, label = signal[: 2 * steps].reshape(steps, 2, 1), label[1 : 2 * steps : 2]
        np.testing.assert_array_equal(found[name]["signal"], signal)
        np.testing.assert_array_equal(found[name]["label"], label)


def test_with_channels_first_labels_of_several_values_are_turned_too(folders: Folders) -> None:
    signal, label = np.arange(8.0).reshape(4, 2), np.arange(12.0).reshape(4, 3)
    write_npz(folders, "a", signal=signal.T, label=label.T)
    source = _source(folders, time_axis=1)
    described = source.describe("a.npz").labels[0]
    assert described is not None
    assert described.shape == (4, 3)
    np.testing.assert_array_equal(source.read("a.npz").labels[0], label)


@pytest.mark.parametrize("shape", [(0,), (100, 0), (0, 2)])
@pytest.mark.parametrize("tail", ["drop", "pad"])
def test_a_signal_with_nothing_in_it_is_not_cut(
    folders: Folders, shape: tuple[int, ...], tail: str
) -> None:
    write_npz(folders, "a", x=np.zeros(shape))
    source = _source(folders, window_samples=10, tail=tail)
    for read in (source.describe, source.read):
        with pytest.raises(RejectedInputError, match="expected at least one time step, with some"):
            read("a.npz")


def test_the_signal_cannot_be_named_as_its_own_label(folders: Folders) -> None:
    with pytest.raises(
        UsageError, match="--signal_key and --label_key are both y; name two arrays"
    ):
        _source(folders, signal_key="y", label_key="y")
    source = _source(folders, signal_key="y", label_key="y", target_dir=str(folders.inputs))
    write_npz(folders, "a", y=_Y)
    assert source.describe("a.npz").labels[0] is not None


def test_texts_are_no_values(folders: Folders) -> None:
    write_npz(folders, "a", x=_X, y=np.array(["wake", "sleep"]))
    with pytest.raises(RejectedInputError, match="<U5; expected numbers, for --label_kind=step_va"):
        _source(folders, label_kind="step_value").describe("a.npz")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_bytes(b"PK cut"), "not a whole npz file (File is not a zip file)"),
        (pathlib.Path.touch, "not a whole npz file"),
        (os.mkfifo, "it is a pipe, a folder or the like; put a file there"),
        (
            lambda path: np.savez(path, a=1, b=2),
            "several arrays could be the label (arrays: a [], b",
        ),
        (lambda path: np.savez(path), "no array could be the label (arrays: none); name it with"),
        (lambda path: np.savez(path, a=1j), "label 'a' has dtype complex128; expected text, int"),
    ],
)
def test_what_is_wrong_with_a_target_file_names_it(
    folders: Folders, make: Callable[[pathlib.Path], Any], reason: str
) -> None:
    targets = folders.inputs.parent / "targets"
    write_npz(folders, "a", x=_X)
    write_npz(folders._replace(inputs=targets), "a", y=0).unlink()
    make(targets / "a.npz")
    source = _source(folders, target_dir=str(targets))
    with pytest.raises(RejectedInputError) as error:
        source.describe("a.npz")
    assert f"target file '{targets}/a.npz': {reason}" in str(error.value)
    if "complex" not in reason:  # Which is rejected as soon as it is described.
        with pytest.raises(RejectedInputError, match=f"target file '{targets}/a.npz': "):
            source.read("a.npz")


@pytest.mark.parametrize(
    ("subject", "group"),
    [
        (np.int64(7), "7"),
        (np.float64(7), "7"),
        (np.float32(7), "7"),
        (np.uint8([7]), "7"),
        (np.float32(-0.0), "0"),
        (7.5, "7.5"),
        ("7.0", "7.0"),
        ("caf\u00e9".encode(), "caf\u00e9"),
    ],
)
def test_one_subject_is_one_group_in_any_dtype(
    folders: Folders, subject: object, group: str
) -> None:
    write_npz(folders, "a", signal=_X, subject=subject)
    assert _source(folders, group_key="subject").describe("a.npz").group == group


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({}, "class"),
        ({"label_kind": "none", "group_key": "label"}, "array 'label' (--group_key)"),
        ({"label_kind": "none", "split_key": "label"}, "array 'label' (--split_key)"),
    ],
)
def test_bytes_that_are_not_utf_8_are_rejected(
    folders: Folders, options: dict[str, str], what: str
) -> None:
    write_npz(folders, "a", signal=_X, label=b"caf\xe9")
    with pytest.raises(RejectedInputError) as error:
        _source(folders, **options).describe("a.npz")
    assert f"{what} b'caf\\xe9' is not UTF-8; store it as text (dtype U)" in str(error.value)


@pytest.mark.parametrize(
    ("options", "size_bytes"),
    [
        ({}, 80_000),
        ({"label_kind": "step_value"}, 0),
        ({"window_samples": 4}, 0),
        ({"window_samples": 4, "label_kind": "sequence_class"}, 80_000),
    ],
)
def test_a_label_counts_with_the_size_in_which_it_is_stored(
    folders: Folders, options: dict[str, Any], size_bytes: int
) -> None:
    write_npz(folders, "a", signal=np.zeros(10_000, np.uint8), label=np.zeros(10_000, np.uint8))
    source = _source(folders, max_record_mib=0.05, **options)
    if not size_bytes:
        assert source.describe("a.npz").labels[0] is not None
        return
    with pytest.raises(RejectedInputError, match="the label has 80000 bytes, more than --max_rec"):
        source.describe("a.npz")


def test_a_record_that_no_reader_could_parse_is_rejected(
    folders: Folders, converter: Converter, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        write_npz(folders, f"r{number}", signal=np.zeros(10 + 1000 * (number == 1)))
    monkeypatch.setattr("tfrecords_schema.example._MAX_BYTES", 2000)
    dataset = converter.dataset("--splits=train=1", "--max_rejected_fraction=0.5")
    (reject,) = rejects(dataset)
    assert (reject["path"], reject["stage"]) == ("r1.npz", "write")
    assert "at most 2000 can be read again; cut it into several" in reject["reason"]


@pytest.mark.parametrize("axis", [0, 1])
def test_statistics_leave_out_what_only_fills_a_window(
    folders: Folders, converter: Converter, axis: int
) -> None:
    for number, samples in enumerate([21, 30, 39]):
        signal = np.full((samples, 2), 5 + number, np.float32)
        write_npz(folders, f"r{number}", signal=np.moveaxis(signal, 0, axis))
    dataset = converter.dataset(
        "--window_samples=10", "--tail=pad", f"--time_axis={axis}", "--splits=train=1"
    )
    found = dataset.manifest.statistics
    assert found is not None
    assert (found.count, found.minimum, found.maximum) == (90, (5.0, 5.0), (7.0, 7.0))
    np.testing.assert_allclose(found.mean, [(21 * 5 + 30 * 6 + 39 * 7) / 90] * 2, rtol=1e-12)
    assert not read_records(dataset)["r0"]["signal"][2, 1:].any()


@pytest.mark.parametrize("order", "<>")
def test_labels_may_have_the_byte_order_of_any_machine(
    folders: Folders, converter: Converter, order: str
) -> None:
    write_npz(
        folders, "a", x=np.zeros((4, 2), f"{order}f8"), label=np.arange(4, dtype=f"{order}f8")
    )
    record = read_records(converter.dataset("--splits=train=1", _VALUES))["a"]
    np.testing.assert_array_equal(record["label"], np.arange(4, dtype=np.float32))

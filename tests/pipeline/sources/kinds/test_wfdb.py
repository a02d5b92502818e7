"""WFDB records: values as wfdb has them, several segments, annotations as classes of steps."""

import collections
import pathlib
from typing import Any

import numpy as np
import pytest

from pipeline.console.errors import RejectedInputError
from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds import make_source
from pipeline.sources.kinds import wfdb as kind
from pipeline.sources.kinds.wfdb import WfdbOptions, WfdbSource
from tests.optional import optional_library
from tests.pipeline.conversions import Folders
from tests.pipeline.sources.made import inputs_of
from tfrecords_schema.left_out import LeftOut

wfdb = optional_library("wfdb")
_HZ = 100
_SAMPLES = 1000


def _source(folders: Folders, **options: Any) -> WfdbSource:
    return WfdbSource(WfdbOptions(str(folders.inputs), "", "test", **options), GFiles())


def _write(
    folders: Folders, name: str = "a", samples: int = _SAMPLES, fmt: str = "16"
) -> pathlib.Path:
    values = np.random.default_rng(samples).normal(size=(samples, 2))
    wfdb.wrsamp(
        name, fs=_HZ, units=["mV", "mV"], sig_name=["II", "V1"], p_signal=values,
        fmt=[fmt, fmt], comments=["Age: 61", "Sex: M", "paced"], write_dir=str(folders.inputs),
    )  # fmt: skip
    return folders.inputs / f"{name}.hea"


@pytest.mark.parametrize("fmt", ["16", "212", "24", "516"])
def test_values_are_those_that_the_library_reads(folders: Folders, fmt: str) -> None:
    path = _write(folders, fmt=fmt)
    source = _source(folders, channels=("V1", "II"), group_key="Age", label_key="Sex")
    described, raw = source.describe("a.hea"), source.read("a.hea")
    expected = wfdb.rdrecord(str(path.with_suffix(""))).p_signal[:, ::-1].astype(np.float32)
    np.testing.assert_array_equal(raw.data, expected)
    assert (described.record_id, described.steps, described.rate_hz) == ("a", _SAMPLES, _HZ)
    assert (described.group, raw.labels[0].tolist()) == ("61", "M")
    section = _source(folders, from_secs=1.234, to_secs=4.5).read("a.hea").data
    np.testing.assert_array_equal(section, expected[124:450, ::-1])


def test_comments_of_the_header_are_values_beside_the_signal(folders: Folders) -> None:
    _write(folders)
    values = {"input_values": ("Sex", "Age"), "value_classes": ("F", "M")}
    options = WfdbOptions(str(folders.inputs), "", "test", units=("uV", "uV"), **values)
    source = make_source(options, GFiles())
    described, found = source.describe("a.hea"), source.read("a.hea").data
    np.testing.assert_array_equal(found[:, 2:], np.tile(np.float32([61, 0, 1]), (_SAMPLES, 1)))
    np.testing.assert_array_equal(found[:, :2], _source(folders, units=("uV",)).read_data("a.hea"))
    assert [channel[:3] for channel in described.channels] == [
        ("II", "uV", "signal"), ("V1", "uV", "signal"), ("Age", "", "value"),
        ("is_F", "", "flag"), ("is_M", "", "flag"),
    ]  # fmt: skip
    # As a prediction reads what most recordings were found to have.
    known = {"channels": ("II", "V1", "Age", "is_F", "is_M"), "units": ("uV", "uV", "", "", "")}
    again = WfdbOptions(str(folders.inputs), "", "test", **known, **values)
    np.testing.assert_array_equal(make_source(again, GFiles()).read_data("a.hea"), found)


def test_signals_of_several_samples_a_frame_keep_all_of_them(folders: Folders) -> None:
    rng = np.random.default_rng(0)
    fast, slow = rng.integers(-99, 99, 400), rng.integers(-99, 99, 100)
    frames = np.concatenate([fast.reshape(100, 4), slow[:, np.newaxis]], axis=1)
    (folders.inputs / "a.dat").write_bytes(frames.astype("<i2").tobytes())
    header = "a 2 125 100\na.dat 16x4 100/mV 12 0 0 0 0 ECG\na.dat 16 10/mmHg 12 0 0 0 0 ABP\n"
    (folders.inputs / "a.hea").write_text(header)
    found = _source(folders, channels=("ECG",), from_secs=0.21, to_secs=0.5)
    assert found.describe("a.hea").rate_hz == 500
    expected = (fast[105:250] / 100).astype(np.float32)
    np.testing.assert_array_equal(found.read("a.hea").data[:, 0], expected)
    with pytest.raises(RejectedInputError, match="unlike rates"):
        _source(folders).describe("a.hea")
    assert _source(folders, resample_hz=125).describe("a.hea").steps == 100


def test_segments_are_one_record_with_gaps(folders: Folders) -> None:
    for name, samples in (("r_1", 300), ("r_2", 200)):
        _write(folders, name, samples)
    (folders.inputs / "r.hea").write_text("r/2 2 100 500\nr_1 300\nr_2 200\n")
    layout = "r_layout 2 100 0\n~ 0 200/mV 0 0 0 0 0 II\n~ 0 200/mV 0 0 0 0 0 V1\n"
    (folders.inputs / "v_layout.hea").write_text(layout.replace("r_layout", "v_layout"))
    (folders.inputs / "v.hea").write_text("v/4 2 100 600\nv_layout 0\nr_1 300\n~ 100\nr_2 200\n")
    source = _source(folders, non_finite="zero")
    assert {file.path for file in inputs_of(source)} == {"r.hea", "v.hea"}
    parts = [_source(folders).read(f"{name}.hea").data for name in ("r_1", "r_2")]
    np.testing.assert_array_equal(source.read("r.hea").data, np.concatenate(parts))
    raw = source.read("v.hea")
    gap = np.zeros((100, 2), np.float32)
    np.testing.assert_array_equal(raw.data, np.concatenate([parts[0], gap, parts[1]]))
    assert [left.count for left in raw.left_out] == [200]
    before = source.describe("r.hea").checksum
    _write(folders, "r_2", 200, fmt="24")
    assert source.describe("r.hea").checksum != before


def test_a_segment_is_read_once(folders: Folders) -> None:
    _write(folders, "r_1", 300)
    (folders.inputs / "r.hea").write_text("r/200000 2 100 60000000\n" + "r_1 300\n" * 200_000)
    with pytest.raises(RejectedInputError, match="its header names segment 'r_1' 200000 times"):
        _source(folders).describe("r.hea")


def test_beats_are_the_class_of_the_steps_that_they_are_in(folders: Folders) -> None:
    _write(folders)
    rng = np.random.default_rng(3)
    samples = np.unique(rng.integers(0, 700, 40))
    symbols = rng.choice([*"NNVA"], len(samples))
    wfdb.wrann("a", "atr", samples, [*symbols], fs=_HZ, write_dir=str(folders.inputs))
    source = _source(folders, label_key="atr", sample_rate_hz=100, window_secs=1)
    steps = [collections.Counter() for _ in range(10)]
    for sample, symbol in zip(samples, symbols, strict=True):
        steps[sample // 100][symbol] += 1
    expected = [min(s, key=lambda name: (-s[name], name)) if s else "none" for s in steps]
    described, raw = source.describe("a.hea"), source.read("a.hea")
    assert raw.labels[0].tolist() == expected
    assert described.labels[0].classes == tuple(sorted({*expected}))
    assert raw.checksum == described.checksum


def test_rhythms_last_until_the_next(folders: Folders) -> None:
    _write(folders)
    notes = ["(AFIB", "", "(N", "", "(AFIB"]
    wfdb.wrann(
        "a", "atr", np.array([50, 120, 250, 300, 801]), ["+", "N", "+", "N", "+"], fs=_HZ,
        aux_note=notes, write_dir=str(folders.inputs),
    )  # fmt: skip
    source = _source(
        folders, label_key="atr", annotation_field="aux_note", annotation_regex=r"\((\w+)",
        annotation_span="until_next", sample_rate_hz=100, window_secs=1, unannotated="unknown",
    )  # fmt: skip
    expected = [*["AFIB"] * 3, *["N"] * 5, *["AFIB"] * 2]  # Of 50 and 50, AFIB comes first.
    assert source.read("a.hea").labels[0].tolist() == expected


def test_a_length_that_the_header_leaves_out_is_that_of_the_file(folders: Folders) -> None:
    path = _write(folders)
    path.write_text(path.read_text().replace(f"a 2 {_HZ} {_SAMPLES}", f"a 2 {_HZ}"))
    assert _source(folders).describe("a.hea").steps == _SAMPLES
    assert len(_source(folders).read("a.hea").data) == _SAMPLES


def test_no_file_of_another_folder_is_read(folders: Folders) -> None:
    path = _write(folders)
    for name in ("../a.dat", "/etc/passwd", "b/../a.dat"):
        path.write_text(path.read_text().replace("a.dat", name))
        with pytest.raises(RejectedInputError, match="wfdb cannot read it"):
            _source(folders).describe("a.hea")


def test_a_header_is_not_believed(folders: Folders) -> None:
    path = _write(folders)
    path.write_text(path.read_text().replace(f" {_SAMPLES}\n", " 1000000000000\n"))
    with pytest.raises(RejectedInputError, match="more than --max_record_mib"):
        _source(folders).describe("a.hea")


def test_a_record_without_annotations_is_rejected_and_predicted(folders: Folders) -> None:
    _write(folders)
    source = _source(folders, label_key="atr", window_samples=100)
    with pytest.raises(RejectedInputError, match=r"no annotations a\.atr beside it, and no field"):
        source.describe("a.hea")
    assert source.read_data("a.hea").shape == (10, 100, 2)


def _packed_by_three(values: np.ndarray) -> bytes:
    """Format 311: three samples of 10 bits in 32."""
    rows = (values.reshape(-1, 3) & 0x3FF).astype(np.uint32)
    return (rows[:, 0] | rows[:, 1] << 10 | rows[:, 2] << 20).astype("<u4").tobytes()


_VALUES = np.random.default_rng(3).integers(-120, 120, (501, 2))
_STEPS = np.random.default_rng(4).integers(-100, 100, (501, 2))
_FORMATS = {
    "8": _STEPS.astype(np.int8).tobytes(),
    "61": _VALUES.astype(">i2").tobytes(),
    "160": (_VALUES + 32768).astype("<u2").tobytes(),
    "311": _packed_by_three(_VALUES.reshape(-1)),
}


@pytest.mark.parametrize("fmt", _FORMATS)
def test_formats_that_the_library_does_not_write(folders: Folders, fmt: str) -> None:
    values = _STEPS.cumsum(axis=0) if fmt == "8" else _VALUES
    (folders.inputs / "a.dat").write_bytes(_FORMATS[fmt])
    lines = "".join(f"a.dat {fmt} 100/mV 10 0 0 0 0 c{i}\n" for i in range(2))
    (folders.inputs / "a.hea").write_text(f"a 2 {_HZ} 501\n{lines}")
    expected = (values / 100).astype(np.float32)
    np.testing.assert_array_equal(_source(folders).read("a.hea").data, expected)
    section = _source(folders, from_secs=1.01, to_secs=3.0).read("a.hea").data
    np.testing.assert_array_equal(section, expected[101:300])


def test_files_of_signals_are_told_from_others(folders: Folders) -> None:
    for number, name in enumerate(("lead1.dat", "lead2.dat", "other.dat")):
        (folders.inputs / name).write_bytes(_VALUES[:, :1].astype("<i2").tobytes() * (number < 2))
    lines = "".join(f"lead{i}.dat 16 100/mV 10 0 0 0 0 c{i}\n" for i in (1, 2))
    (folders.inputs / "a.hea").write_text(f"# of two files\na 2 {_HZ} 501\n{lines}")
    source = _source(folders)
    assert [file.path for file in inputs_of(source)] == ["a.hea"]
    left_out = [item.example for item in source.list_inputs() if isinstance(item, LeftOut)]
    assert left_out == ["other.dat"]


def test_fields_that_are_looked_up_faster_are_the_same() -> None:
    found = kind._wfdb().io._header.SIGNAL_SPECS
    table = found.copy()
    assert isinstance(found, kind._Fields)
    assert [*found.index] == [*table.index]
    assert found.loc == {(row, of): table.loc[row, of] for row in table.index for of in table}
    with pytest.raises(KeyError):
        found.loc["fmt", "no such column"]

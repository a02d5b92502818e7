"""CSV and Parquet: a recording a file, many in one, rows by a clock."""

import pathlib
from typing import Any

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest

from pipeline.console.errors import RejectedInputError
from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds.tables import TableOptions, TableSource
from pipeline.sources.recordings import columns
from tests.optional import optional_library
from tests.pipeline.conversions import Converter, Folders, read_records, rejects
from tests.pipeline.sources.made import inputs_of

optional_library("scipy")  # For --resample_hz.
_X = np.array([0.5, -1.25, 3.0, 7.5])
_Y = np.array([1, 2, 3, -4])


def _source(folders: Folders, **options: Any) -> TableSource:
    return TableSource(TableOptions(str(folders.inputs), "", "test", **options), GFiles())


def _write(folders: Folders, name: str, **values: Any) -> pathlib.Path:
    path = folders.inputs / name
    table = pyarrow.table(values)
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(table, path, row_group_size=3)
    else:
        delimiter = "\t" if path.suffix == ".tsv" else ","
        pyarrow.csv.write_csv(table, path, pyarrow.csv.WriteOptions(delimiter=delimiter))
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.parquet"])
def test_columns_of_numbers_are_channels(folders: Folders, name: str) -> None:
    _write(
        folders, name, x=_X, y=_Y, note=[*"abcd"], what=["up", "up", "down", "up"], who=["S1"] * 4
    )
    source = _source(folders, label_key="what", group_key="who", sample_rate_hz=50)
    described, raw = source.describe(name), source.read(name)
    expected = np.stack([_X, _Y], 1).astype(np.float32)
    np.testing.assert_array_equal(raw.data, expected)
    assert raw.labels[0].tolist() == ["up", "up", "down", "up"]
    assert (described.group, described.rate_hz, described.record_id) == ("S1", 50, "a")
    assert described.labels[0].shape == (4,)
    assert raw.checksum == described.checksum
    np.testing.assert_array_equal(
        _source(folders, channels=("y",)).read(name).data, expected[:, 1:]
    )
    one = _source(folders, label_key="who", label_kind="record_class").read(name)
    assert one.labels[0].tolist() == "S1"
    with pytest.raises(RejectedInputError, match="column 'what' has 2 values, expected one"):
        _source(folders, group_key="what").describe(name)


def test_columns_may_have_no_names_and_commas_for_points(folders: Folders) -> None:
    (folders.inputs / "a.csv").write_text("1;2\n3;\n")
    raw = _source(folders, has_header=False, non_finite="zero").read("a.csv")
    assert raw.data.tolist() == [[1, 2], [3, 0]]
    assert [left.count for left in raw.left_out] == [1]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_long_table_holds_many_recordings(converter: Converter, suffix: str) -> None:
    rng = np.random.default_rng(0)
    lengths = {f"{number:02}": int(rng.integers(2, 9)) for number in range(12)}
    name = [name for name, length in lengths.items() for _ in range(length)]
    values = rng.normal(size=len(name)).astype(np.float32)
    labels = [int(text) % 2 for text in name]
    twice = {"id": [*name, "aa", "bb", "aa"], "x": [*values, 1, 2, 3], "what": [*labels, 0, 0, 0]}
    _write(converter.folders, f"sensors.{suffix}", **twice)
    dataset = converter.dataset(
        "--source=tables", "--recording_column=id", "--label_key=what",
        "--label_kind=record_class", "--splits=train=1",
    )  # fmt: skip
    found = read_records(dataset)
    assert {*found} == {f"sensors/{name}" for name in (*lengths, "bb")}
    for key in lengths:
        inside = values[[other == key for other in name]]
        np.testing.assert_array_equal(found[f"sensors/{key}"]["signal"][:, 0], inside)
    (reject,) = rejects(dataset)
    assert reject["path"] == f"sensors.{suffix}/aa"
    assert "not together" in reject["reason"]


def test_of_a_long_table_only_the_rows_of_a_recording_are_read(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = np.repeat([*"abc"], 100)
    _write(folders, "a.csv", id=ids, x=np.arange(300))
    source = _source(folders, recording_column="id")
    assert [file.path for file in inputs_of(source)] == ["a.csv/a", "a.csv/b", "a.csv/c"]
    sizes = []
    monkeypatch.setattr(
        columns.pyarrow, "py_buffer",
        lambda content, make=pyarrow.py_buffer: sizes.append(len(content)) or make(content),
    )  # fmt: skip
    assert source.read("a.csv/b").data[:, 0].tolist() == [*range(100, 200)]
    assert sizes[0] < 1000


def test_times_with_gaps_and_jitter_become_a_clock(folders: Folders) -> None:
    times = np.array([10.0, 10.1, 10.19, 10.31, 10.4, 10.6])
    _write(folders, "a.csv", t=times, x=times * 2, what=[0, 0, 1, 1, 1, 0])
    source = _source(folders, time_column="t", resample_hz=20, label_key="what")
    described, raw = source.describe("a.csv"), source.read("a.csv")
    clock = 10 + np.arange(13) / 20
    np.testing.assert_allclose(raw.data[:, 0], clock * 2, atol=1e-5)
    assert raw.labels[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0]
    assert (described.steps, described.rate_hz) == (13, 20)
    with pytest.raises(RejectedInputError, match=r"0\.2 s, more than 0\.15; cut it there"):
        _source(folders, time_column="t", resample_hz=20, max_gap_secs=0.15).describe("a.csv")
    with pytest.raises(RejectedInputError, match="no regular clock; make it one"):
        _source(folders, time_column="t").describe("a.csv")


@pytest.mark.parametrize(
    ("measured_hz", "expected_hz"),
    [
        (1024, 1024), (44_100, 44_100), (11_025, 11_025), (128, 128), (100.04, 100), (99.96, 100),
        (99.87, 99.9), (31.25, 31.25), (100 / 3, 33.33), (1 / 60, 0.01667), (0.2, 0.2),
    ],
)  # fmt: skip
def test_the_rate_of_times_is_the_one_that_is_meant(
    folders: Folders, measured_hz: float, expected_hz: float
) -> None:
    times = 5.0 + np.arange(200) / measured_hz
    _write(folders, "a.parquet", t=times, x=np.arange(200))
    assert _source(folders, time_column="t").describe("a.parquet").rate_hz == expected_hz


def test_times_to_the_millisecond_have_the_rate_of_all_of_them(folders: Folders) -> None:
    times = np.round(np.arange(120) / 60, 3)  # Between two rows are 16 or 17 ms.
    _write(folders, "a.csv", t=times, x=np.arange(120))
    assert _source(folders, time_column="t").describe("a.csv").rate_hz == 60


def test_dates_are_times(folders: Folders) -> None:
    start = np.datetime64("2026-01-05T08:00:00.000")
    times = start + np.arange(5) * np.timedelta64(20, "ms")
    _write(folders, "a.csv", t=times, x=np.arange(5))
    assert _source(folders, time_column="t").describe("a.csv").rate_hz == 50


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("x,x\n1,2\n", {}, "no name for each column"),
        ("x\n", {}, "no sample"),
        ("x\na\n", {}, "no column of numbers: x are text"),
        ("x,t\n1,2\n1,2\n", {"time_column": "t"}, "none that is later"),
        ("x\n1\n", {"time_column": "t"}, "no column 't'; it has x"),
        ("x\n1\n", {"resample_hz": 5}, "cannot be resampled"),
        ("x,y\n1,a\n2,3,4\n", {}, "pyarrow cannot read it"),
        ("x,y\n1,\n2,b\n", {"label_key": "y"}, "is empty"),
    ],
)
def test_a_table_that_is_no_recording_is_rejected(
    folders: Folders, content: str, options: dict[str, Any], message: str
) -> None:
    (folders.inputs / "a.csv").write_text(content)
    with pytest.raises(RejectedInputError, match=message):
        _source(folders, **options).describe("a.csv")


def test_tables_of_labels_are_no_recordings(folders: Folders) -> None:
    for name in ("a.csv", "metadata.csv", "labels.csv"):
        _write(folders, name, x=_X)
    source = _source(folders, labels=str(folders.inputs / "labels.csv"))
    assert [file.path for file in inputs_of(source)] == ["a.csv"]

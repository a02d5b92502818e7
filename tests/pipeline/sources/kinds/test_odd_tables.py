"""Tables as other programs write them, against what pandas and pyarrow read."""

import gzip
import io
import pathlib
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from pipeline.console.errors import RejectedInputError
from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds.tables import TableOptions, TableSource
from pipeline.sources.recordings import columns, text_columns
from tests.pipeline.conversions import Folders
from tests.pipeline.sources.made import inputs_of

_RNG = np.random.default_rng(0)
_X = _RNG.normal(size=(40, 3)).round(6)


def _source(folders: Folders, **options: Any) -> TableSource:
    return TableSource(TableOptions(str(folders.inputs), "", "test", **options), GFiles())


def _csv(point: str = ".", between: str = ",", index: bool = False, end: str = "") -> str:
    names = [*(["", "x", "y", "z"] if index else ["x", "y", "z"]), *([""] if end else [])]
    rows = [between.join(names)]
    for number, row in enumerate(_X.tolist()):
        cells = [str(value).replace(".", point) for value in row]
        rows.append(between.join([*([str(number)] if index else []), *cells]) + end)
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize(
    ("name", "text", "options"),
    [
        ("a.csv", _csv(), {}),
        ("a.csv", _csv(between="|"), {}),
        ("a.csv", _csv(",", ";"), {"decimal_comma": True}),
        ("a.tsv", _csv(",", "\t"), {"decimal_comma": True}),
        ("a.csv", _csv(",", ";")[6:], {"decimal_comma": True, "has_header": False}),
        ("a.csv", _csv(index=True), {}),
        ("a.csv", _csv(end=","), {}),
        ("a.csv.gz", _csv(), {}),
        ("a.tsv.gz", _csv(between="\t"), {}),
        ("a.csv", "\ufeff" + _csv().replace("\n", "\r\n"), {}),
    ],
)
def test_numbers_are_those_that_were_written(
    folders: Folders, name: str, text: str, options: dict[str, Any]
) -> None:
    content = text.encode()
    packed = gzip.compress(content) if name.endswith(".gz") else content
    (folders.inputs / name).write_bytes(packed)
    source = _source(folders, **options)
    described, raw = source.describe(name), source.read(name)
    np.testing.assert_array_equal(raw.data, _X.astype(np.float32))
    assert (described.record_id, len(described.channels)) == ("a", 3)
    is_said = any("without a name" in left.reason for left in described.left_out)
    assert is_said == (",," in text or text.startswith(",") or text.split("\n")[0].endswith(","))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("x;y\n1,5;2\n2,5;3\n", "x"),
        ('x,y\n"1,000.5",2\n"2,000.5",3\n', "x"),
        ("x,y\n1,2\n1,2\n1,2\n-,2\n", "x"),
        ("x,y\na1,2\na2,2\n3,2\n,2\n", ""),
    ],
)
def test_numbers_that_are_passed_over_as_text_are_said(
    folders: Folders, text: str, name: str
) -> None:
    (folders.inputs / "a.csv").write_text(text)
    described = _source(folders).describe("a.csv")
    assert [channel.name for channel in described.channels] == ["y"]
    (said,) = described.left_out
    expected = f"column '{name}' is not used, as not all" if name else "columns 'x' are no numbers"
    assert said.reason.startswith(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,,y\n1,2,3\n", "no name for each column"),
        ("\u00b5V,y\n1,2\n", "no UTF-8"),
        ("x\n", "it has no samples"),
        ("x;y\n1,5;2,5\n", "no column of numbers: x, y are text or lists; .*--decimal_comma"),
    ],
)
def test_what_is_no_table_is_refused(folders: Folders, text: str, message: str) -> None:
    (folders.inputs / "a.csv").write_bytes(text.encode("latin-1" if "\u00b5" in text else "utf-8"))
    with pytest.raises(RejectedInputError, match=message):
        _source(folders).describe("a.csv")


def test_recordings_of_a_table_are_found_between_numbers_with_commas(folders: Folders) -> None:
    (folders.inputs / "a.csv").write_text("a;1,5;2,5\na;3,5;4,5\nb;5,5;6,5\n")
    source = _source(folders, decimal_comma=True, has_header=False, recording_column="0")
    assert [file.path for file in inputs_of(source)] == ["a.csv/a", "a.csv/b"]
    assert source.read("a.csv/a").data.tolist() == [[1.5, 2.5], [3.5, 4.5]]


def test_names_that_are_numbers_are_said(folders: Folders) -> None:
    (folders.inputs / "a.csv").write_text("1.5,2.5\n3,4\n")
    (said,) = _source(folders).describe("a.csv").left_out
    assert "its first line, of numbers, taken for names" in said.reason


def test_cells_without_a_number_are_gaps(folders: Folders) -> None:
    (folders.inputs / "a.csv").write_text("x\n1\nNULL\nNone\n#N/A\n<NA>\nnull\n2\n")
    raw = _source(folders, non_finite="zero").read("a.csv")
    assert raw.data[:, 0].tolist() == [1, 0, 0, 0, 0, 0, 2]


def test_columns_of_parquet_are_numbers_whatever_holds_them(folders: Folders) -> None:
    whole = np.arange(6)
    table = pyarrow.table({
        "t": pyarrow.array(whole * 20_000, pyarrow.time64("us")),
        "decimal": pyarrow.array([*map(str, whole / 4)]).cast(pyarrow.decimal128(6, 2)),
        "known": pyarrow.array([True, None] * 3),
        "few": pyarrow.array(whole).dictionary_encode(),
        "nested": [[1, 2]] * 6,
        "half": pyarrow.array(whole.astype(np.float16)),
    })  # fmt: skip
    pyarrow.parquet.write_table(table, folders.inputs / "a.parquet")
    source = _source(folders, time_column="t", non_finite="zero")
    described, data = source.describe("a.parquet"), source.read("a.parquet").data
    assert described.rate_hz == 50
    assert [channel.name for channel in described.channels] == ["decimal", "known", "few", "half"]
    expected = np.stack([whole / 4, [1, 0] * 3, whole, whole], axis=1)
    np.testing.assert_array_equal(data, expected.astype(np.float32))
    durations = pyarrow.table(
        {"t": table["t"].cast("int64").cast(pyarrow.duration("us")), "x": whole}
    )
    pyarrow.parquet.write_table(durations, folders.inputs / "a.parquet")
    assert _source(folders, time_column="t").describe("a.parquet").rate_hz == 50


def test_two_columns_of_one_name_are_refused(folders: Folders) -> None:
    table = pyarrow.table([[1, 2], [3, 4]], names=["x", "x"])
    pyarrow.parquet.write_table(table, folders.inputs / "a.parquet")
    with pytest.raises(RejectedInputError, match="two of its columns have one name"):
        _source(folders).describe("a.parquet")


def test_what_is_packed_is_bounded_and_no_table_of_many(folders: Folders) -> None:
    path = folders.inputs / "a.csv.gz"
    path.write_bytes(gzip.compress(b"x\n" + b"1\n" * 2_000_000))
    with pytest.raises(RejectedInputError, match="more than --max_record_mib=1 MiB"):
        _source(folders, max_record_mib=1.0).describe("a.csv.gz")
    (listed,) = inputs_of(_source(folders, recording_column="x"))
    assert "unpack it" in listed.problem
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RejectedInputError, match="copy it again"):
        _source(folders).describe("a.csv.gz")


def _runs(content: bytes, monkeypatch: pytest.MonkeyPatch, block_bytes: int) -> list[Any]:
    monkeypatch.setattr(text_columns, "_BLOCK_BYTES", block_bytes)
    layout = text_columns.layout_of(io.BytesIO(content), "a.csv", True, False)
    return [*columns._joined(text_columns.text_ids(io.BytesIO(content), layout, 0))]


@pytest.mark.parametrize("block_bytes", [3, 7, 64, 10_000])
def test_rows_of_a_recording_are_found_in_any_blocks(
    monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    lines = [b"id,x\n"]
    expected: list[tuple[str, int, int]] = []
    place = len(lines[0])
    for number, length in enumerate([3, 1, 20, 2]):
        name = "" if number == 1 else f"r {number}"
        start = place
        for row in range(length):
            quoted = f'"{name}"' if row % 2 else f" {name} "
            lines.append(f"{quoted},{row}\r\n".encode() if number == 2 else f"{name},1\n".encode())
            place += len(lines[-1])
            stop = place
            lines.append(b"\n" if row % 3 == 0 else b"")
            place += len(lines[-1])
        expected.append((name, start, stop))
    found = _runs(b"".join(lines).removesuffix(b"\n"), monkeypatch, block_bytes)
    expected[-1] = (*expected[-1][:2], found[-1][1].stop)
    assert [(name, *rows) for name, rows in found] == expected


def test_of_one_large_row_group_only_the_rows_of_a_recording_are_kept(folders: Folders) -> None:
    ids, rows = np.repeat(np.arange(40), 5000), 200_000
    table = pyarrow.table(
        {"id": ids, **{f"x{i}": np.arange(rows, dtype=np.float64) for i in range(8)}}
    )
    pyarrow.parquet.write_table(table, folders.inputs / "a.parquet", row_group_size=rows)
    source = _source(folders, recording_column="id", max_record_mib=1.0)  # The group has 14 MiB.
    data = source.read("a.parquet/17").data
    np.testing.assert_array_equal(data[:, 3], np.arange(85_000, 90_000, dtype=np.float32))


def test_to_describe_parquet_no_signal_is_read(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pathlib.Path(folders.inputs / "a.parquet")
    pyarrow.parquet.write_table(pyarrow.table({"x": _X[:, 0], "l": ["a"] * 40}), path)
    asked: list[str] = []
    read = columns._read_parquet
    monkeypatch.setattr(
        columns, "_read_parquet", lambda *given: asked.extend(given[-1]) or read(*given)
    )
    _source(folders, label_key="l").describe("a.parquet")
    assert asked == ["l"]

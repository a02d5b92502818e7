"""Tables with a row for every input: what their cells are, and what is refused."""

import pathlib
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from pipeline.console.errors import UsageError
from pipeline.sources.gfiles import GFiles
from pipeline.sources.outside.table import Columns, Table, keys_of, read_table


def _read(path: pathlib.Path, content: str) -> Table:
    path.write_text(content)
    return read_table(GFiles(), str(path), Columns(), True)


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (["3", "-1", "0"], [3, -1, 0]),
        (["3", "1.5", "0"], [3.0, 1.5, 0.0]),
        (["3", "x", "0"], ["3", "x", "0"]),
        (["007", "001", "010"], ["007", "001", "010"]),
        (["3", "", "4"], [3, None, 4]),
        (["=1+1", '"a,b"', "é"], ["=1+1", "a,b", "é"]),
    ],
)
def test_a_cell_has_the_type_that_all_of_its_column_have(
    tmp_path: pathlib.Path, cells: list[str], labels: list[Any]
) -> None:
    rows = [f"{number:02}.wav,{cell}\n" for number, cell in enumerate(cells)]
    table = _read(tmp_path / "a.csv", "file_name,label\n" + "".join(rows))
    assert [row.labels[0] for row in table.rows] == labels
    assert [type(row.labels[0]) for row in table.rows] == [type(label) for label in labels]
    assert [row.key for row in table.rows] == ["00.wav", "01.wav", "02.wav"]


def test_all_kinds_of_tables_say_the_same(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.csv").write_text("id;label;who\n01;x;7\n02;y;8\n")
    (tmp_path / "a.tsv").write_text("id\tlabel\twho\n01\tx\t7\n02\ty\t8\n")
    lines = '{"id": "01", "label": "x", "who": 7}\n\n{"who": 8.0, "id": "02", "label": "y"}\n'
    (tmp_path / "a.jsonl").write_text(lines)
    content = {"id": ["01", "02"], "label": ["x", "y"], "who": [7, 8]}
    pyarrow.parquet.write_table(pyarrow.table(content), tmp_path / "a.parquet")
    for path in sorted(tmp_path.iterdir()):
        table = read_table(GFiles(), str(path), Columns(group="who"), True)
        rows = [(row.key, row.labels[0], row.group, row.split) for row in table.rows]
        assert rows == [("01", "x", "7", None), ("02", "y", "8", None)], path.name


@pytest.mark.parametrize(
    ("content", "columns", "message"),
    [
        ("id,a,b\n1,2,3\n", Columns(), "any of the columns a, b could be the label"),
        (
            "id,a,b\n1,2,3\n",
            Columns(labels=("c",)),
            r"no column 'c' \(--label_column\); it has id, a",
        ),
        ("id,a\n1,2\n1,2,3\n", Columns(), "line 3 has 3 cells, the first line 2"),
        ('id,a\n1,"2\n', Columns(), "unexpected end of data"),
        ("id,id\n1,2\n", Columns(), "no first line with a name for each column"),
        ("", Columns(), "no first line"),
        (f"id,a\n1,{'x' * 200_000}\n", Columns(), "field larger than field limit"),
        ("id,a\n1,\udcff\n", Columns(), "can't decode"),
    ],
)
def test_a_table_that_is_none_is_refused(
    tmp_path: pathlib.Path, content: str, columns: Columns, message: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match=message):
        read_table(GFiles(), str(path), columns, True)


def test_a_table_that_is_not_there_is_told_from_a_damaged_one(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UsageError, match=r"^there is no table .*lables\.csv; check its path$"):
        read_table(GFiles(), str(tmp_path / "lables.csv"), Columns(), True)


@pytest.mark.parametrize("content", ["[1]\n", "{\n", "{}\n", '{"a": ' + "[" * 100_000])
def test_json_lines_that_are_no_objects_are_refused(tmp_path: pathlib.Path, content: str) -> None:
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(UsageError, match=r"a\.jsonl cannot be read"):
        read_table(GFiles(), str(tmp_path / "a.jsonl"), Columns(), True)


def test_a_parquet_file_of_too_many_rows_is_not_read(tmp_path: pathlib.Path) -> None:
    rows = 11_000_000  # Of one value, some kB.
    column = pyarrow.repeat("a", rows)
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"id": column}), path)
    with pytest.raises(UsageError, match="11000000 rows, a table has at most"):
        read_table(GFiles(), str(path), Columns(), False)


def test_an_input_has_its_path_id_and_name_as_keys_the_fullest_first() -> None:
    keys = [*keys_of("a/b/c.wav", "a/b/c")]
    assert keys == ["a/b/c.wav", "a/b/c", "c.wav", "c"]
    assert next(keys_of("a/b/c.wav", "a/b/c", "a/")) == "b/c.wav"


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_a_number_as_column_of_ids_says_that_columns_have_no_names(
    tmp_path: pathlib.Path, name: str
) -> None:
    path = tmp_path / name
    path.write_text("A1,7,7\nA2,8,9\n".replace(",", "," if name == "a.csv" else "\t"))
    table = read_table(GFiles(), str(path), Columns("0", ("2",)), True)
    assert [row[:3] for row in table.rows] == [(1, "A1", (7,)), (2, "A2", (9,))]
    with pytest.raises(UsageError, match=r"no column '3' \(--label_column\); it has 0, 1, 2"):
        read_table(GFiles(), str(path), Columns("0", ("3",)), True)


def test_a_column_may_be_called_by_a_number(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.csv").write_text("0,1\nA1,x\n")
    table = read_table(GFiles(), str(tmp_path / "a.csv"), Columns("0", ("1",)), True)
    assert [row[1:3] for row in table.rows] == [("A1", ("x",))]

import dataclasses
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.datasets import two_splits
from tfrecords_schema import (
    DatasetError,
    IndexRow,
    SplitIndex,
    index,
    read_rows,
    write_index,
)
from tfrecords_schema.index import group_totals, groups_in, merge_indexes, read_metadata


def _rows(count):
    return [
        IndexRow(
            id=f"id{i}", group=f"g{i // 2}", split="train" if i % 3 else "test", shard=i // 4,
            offset=i * 2**33, size_bytes=99, steps=i + 1, label_steps=0, source=f"{i}.npz",
            label="rest",
        )
        for i in range(count)
    ]  # fmt: skip


def test_rows_and_metadata_come_back(tmp_path, monkeypatch):
    monkeypatch.setattr(index, "_ROWS_PER_GROUP", 4)  # several row groups
    path = str(tmp_path / "index.parquet")
    write_index(path, iter(_rows(11)), {"key": "välue"})
    assert list(read_rows(path)) == _rows(11)
    assert read_metadata(path)["key"] == "välue"


def test_merged_indexes_are_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr(index, "_ROWS_PER_GROUP", 4)
    paths = []
    for number, (begin, end) in enumerate([(0, 3), (3, 3), (3, 12), (12, 13)]):
        paths.append(str(tmp_path / f"{number}.parquet"))
        write_index(paths[-1], _rows(13)[begin:end], {"part": str(number)})
    merged = str(tmp_path / "index.parquet")
    merge_indexes(merged, paths)
    assert list(read_rows(merged)) == _rows(13)
    assert "part" not in read_metadata(merged)
    assert set(groups_in(merged)) == {f"g{number}" for number in range(7)}


def test_a_split_is_read_in_order_with_16_bytes_a_record(tmp_path):
    path = str(tmp_path / "index.parquet")
    write_index(path, _rows(11))
    split = SplitIndex(path, "train")
    expected = [row for row in _rows(11) if row.split == "train"]
    assert split.ids() == [row.id for row in expected]
    assert split.sources() == [row.source for row in expected]
    np.testing.assert_array_equal(split.offset, [row.offset for row in expected])
    np.testing.assert_array_equal(split.steps, [row.steps for row in expected])
    assert split.steps.nbytes + split.shard.nbytes + split.offset.nbytes == 16 * len(split)


def test_names_of_some_rows_and_groups_are_those_of_all(tmp_path, monkeypatch):
    monkeypatch.setattr(index, "_ROWS_PER_GROUP", 4)
    path = str(tmp_path / "index.parquet")
    write_index(path, _rows(41))
    for name in ("train", "test"):
        split = SplitIndex(path, name)
        rows = [len(split) - 1, 0, 5, 5, 2]
        assert split.ids(rows) == [split.ids()[row] for row in rows]
        assert split.sources(rows) == [split.sources()[row] for row in rows]
        assert split.sources([]) == []
        groups = split.groups()
        first = {group: number for number, group in enumerate(dict.fromkeys(groups))}
        assert split.group_numbers().tolist() == [first[group] for group in groups]
        assert list(dict.fromkeys(split.each_group())) == list(first)


def test_row_groups_of_other_splits_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(index, "_ROWS_PER_GROUP", 4)
    path = str(tmp_path / "index.parquet")
    rows = [dataclasses.replace(row, split="abc"[i // 8]) for i, row in enumerate(_rows(24))]
    write_index(path, rows)
    read = []
    of_group = pq.ParquetFile.read_row_group

    def read_row_group(self, group, *args, **options):
        read.append(group)
        return of_group(self, group, *args, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", read_row_group)
    assert SplitIndex(path, "b").steps.tolist() == [row.steps for row in rows[8:16]]
    assert read == [2, 3]


def test_group_totals_are_those_of_the_rows(tmp_path):
    path = str(tmp_path / "index.parquet")
    write_index(path, _rows(11))
    totals = {(row["group"], row["split"]): row for row in group_totals(path).to_pylist()}
    assert next(iter(totals)) == ("g2", "train")  # The only one with two records in a split.
    for (group, split), row in totals.items():
        members = [r for r in _rows(11) if (r.group, r.split) == (group, split)]
        assert (row["records"], row["steps"]) == (len(members), sum(r.steps for r in members))
    assert sum(row["records"] for row in totals.values()) == 11


def test_an_empty_index_is_readable(tmp_path):
    path = str(tmp_path / "index.parquet")
    write_index(path, [])
    assert list(read_rows(path)) == []


def _null(table):
    return table.set_column(6, "steps", pa.array([None] * len(table), pa.int32()))


def _no_text(table, name):
    """A column whose text is no UTF-8, as Parquet itself does not look."""
    values = pa.array([b"\xff"] * len(table), pa.binary())
    column = pa.Array.from_buffers(pa.string(), len(values), values.buffers())
    return table.set_column(table.column_names.index(name), name, column)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda table: table.drop_columns(["steps"]), r"it has the columns \['id', "),
        (lambda table: table.append_column("x", table["steps"]), "it has the columns"),
        (lambda table: table.rename_columns(["ID", *table.column_names[1:]]), "it has the columns"),
        (_null, "it has rows with nothing in them"),
        (lambda table: _no_text(table, "id"), "[Ii]nvalid UTF8"),
        (lambda table: _no_text(table, "split"), "[Ii]nvalid UTF8"),
        (None, "Parquet magic bytes not found"),
    ],
)
@pytest.mark.parametrize(
    "read", [lambda path: list(read_rows(path)), lambda path: SplitIndex(path, "train").ids()]
)
def test_another_table_is_no_index(read, damage, problem, tmp_path):
    path = tmp_path / "index.parquet"
    write_index(str(path), _rows(11))
    if damage:
        pq.write_table(damage(pq.read_table(path)), path)
    else:
        path.write_text("no Parquet at all")
    with pytest.raises(DatasetError, match=rf"index.parquet is no index .*{problem}.*; copy it"):
        read(str(path))


def test_an_index_that_went_since_the_dataset_was_opened_is_said_to_be_gone(tmp_path):
    dataset = two_splits(tmp_path)
    path = pathlib.Path(dataset.path, "index.parquet")
    path.unlink()
    with pytest.raises(DatasetError, match=r"index.parquet is no index .*No such file.*; copy it"):
        dataset.split("train")


def test_rows_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        _rows(1)[0].steps = 3

"""docs/data_format.md: its code runs, and its tables are the format."""

import json
import re

import numpy as np
import pytest

from tests.datasets import CLASS_PER_RECORD, random_records, write_dataset
from tests.repository import REPOSITORY
from tfrecords_schema import InputSpec, RecordSchema
from tfrecords_schema.index import INDEX_SCHEMA

_PAGE = (REPOSITORY / "docs/data_format.md").read_text()
_SCHEMA = RecordSchema(InputSpec("signal", "float32", (100, 6)), CLASS_PER_RECORD)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A dataset where the page's code looks for it, and the records that it holds."""
    folder = tmp_path_factory.mktemp("data_format")
    splits = {
        name: random_records([3, 7, 5, 2, 4], _SCHEMA, prefix=name) for name in ("train", "test")
    }
    write_dataset(folder / "datasets", splits, _SCHEMA, name="watch")
    return folder, {record.id: record for record in splits["train"]}


def _rows(title):
    """First cells of the table below a heading, each name in it."""
    section = _PAGE[_PAGE.index(title) :].split("\n## ")[0]
    cells = re.findall(r"^\| (.*?) \|", section, re.MULTILINE)[1:]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_the_code_reads_what_was_written(folder, monkeypatch, capsys):
    path, records = folder
    monkeypatch.chdir(path)
    names = {}
    for block in re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL):
        exec(block, names)
    read = list(names["records"].as_numpy_iterator())
    assert sorted(record["id"].decode() for record in read) == sorted(records)
    for record in read:
        source = records[record["id"].decode()]
        np.testing.assert_array_equal(record["signal"], source.data)
        assert record["label"] == source.label
    assert names["longest"]["steps"] == 7
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "train1.npz train1"
    assert len(lines) == 3


def test_the_tables_name_every_column_field_and_file(folder):
    path, _ = folder
    dataset = path / "datasets" / "watch" / "1.0.0"
    assert _rows("## Index") == set(INDEX_SCHEMA.names)
    assert _rows("## Manifest") == set(json.loads((dataset / "manifest.json").read_text()))
    files = {file.name for file in dataset.iterdir() if ".tfrecord-" not in file.name}
    assert files < _rows("# A dataset on disk")
    assert _rows("## Features") == {"id", "signal", "frames", "label"}

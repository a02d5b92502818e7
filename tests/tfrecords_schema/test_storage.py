"""Reading what a folder holds, and replacing what is in it."""

import os
import pathlib

import pytest
import tensorflow as tf

from tfrecords_schema import DatasetError, storage
from tfrecords_schema.storage import atomic_write, read, replace_tree, write_passing


def test_a_file_is_read_and_one_that_is_not_there_is_none(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    assert read(str(tmp_path / "file")) == read(f"file://{tmp_path}/file") == b"content"
    assert read(str(tmp_path / "none")) is None
    with pytest.raises(DatasetError, match=r"cannot be read .Not a directory."):
        read(str(tmp_path / "file" / "none"))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_what_may_never_end_is_refused_unread(make, tmp_path):
    make(tmp_path / "config.flags")
    with pytest.raises(DatasetError, match=r"config.flags is a folder, a pipe or a device, so"):
        read(str(tmp_path / "config.flags"))


def test_what_is_too_large_is_refused_unread(tmp_path):
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(DatasetError, match="has more than 67,108,864 bytes"):
        read(str(tmp_path / "sparse"))


def test_a_limit_may_be_another_or_none(tmp_path):
    (tmp_path / "file").write_bytes(b"ab")
    with pytest.raises(DatasetError, match="has more than 1 bytes"):
        read(str(tmp_path / "file"), 1)
    assert read(str(tmp_path / "file"), 2) == b"ab"
    assert read(str(tmp_path / "file"), None) == b"ab"


def _tree(path: pathlib.Path, content: str) -> str:
    path.mkdir()
    (path / "file").write_text(content)
    return str(path)


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_tree_is_whole_at_every_instant_of_its_replacement(can_exchange, tmp_path, monkeypatch):
    old, new = _tree(tmp_path / "tree", "old"), _tree(tmp_path / "new", "new")
    seen = []

    def look(*_):
        seen.append((tmp_path / "tree" / "file").exists())

    if not can_exchange:
        monkeypatch.setattr(storage, "_exchange", lambda *_: False)
    for name in ("rename", "remove"):
        call = getattr(storage.tf.io.gfile, name)
        monkeypatch.setattr(
            storage.tf.io.gfile, name, lambda *a, call=call, **k: (look(), call(*a, **k), look())
        )
    monkeypatch.setattr(storage, "remove", look)
    replace_tree(new, old)
    assert (tmp_path / "tree" / "file").read_text() == "new"
    assert all(seen) == can_exchange


@pytest.mark.parametrize("write", [atomic_write, write_passing])
def test_what_cannot_be_put_in_place_leaves_nothing(write, tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises((tf.errors.OpError, OSError)):
        write(str(tmp_path / "folder"), b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]

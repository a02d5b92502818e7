"""Reading what a folder holds, and replacing what is in it."""

import os
import pathlib
import re
import socket

import pytest
import tensorflow as tf

from tfrecords_schema import DatasetError, storage
from tfrecords_schema.storage import (
    atomic_write,
    read,
    replace_together,
    replace_tree,
    temporary_path,
    write_passing,
)


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


def _watched(monkeypatch, look):
    """Looks before and after each rename and removal."""
    for name in ("rename", "remove"):
        call = getattr(storage.tf.io.gfile, name)
        monkeypatch.setattr(
            storage.tf.io.gfile, name, lambda *a, call=call, **k: (look(), call(*a, **k), look())
        )


def test_files_that_belong_together_are_the_old_or_the_new_at_every_instant(tmp_path, monkeypatch):
    seen = []
    paths = [tmp_path / name for name in ("predictions", "rest", "figures")]

    def look():
        if paths[-1].exists():
            seen.append("".join(path.read_text() for path in paths))

    replace_together({str(path): b"o" for path in paths})
    _watched(monkeypatch, look)
    replace_together({str(path): b"n" for path in paths})
    assert list(dict.fromkeys(seen)) == ["ooo", "nnn"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures", "predictions", "rest"]


def test_of_files_that_belong_together_none_is_replaced_where_one_cannot_be_written(
    tmp_path, monkeypatch
):
    paths = [tmp_path / name for name in ("predictions", "figures")]
    replace_together({str(path): b"old" for path in paths})
    write = storage._write

    def write_first(path, content):
        if "figures" in path:
            raise tf.errors.ResourceExhaustedError(None, None, f"{path}; No space left on device")
        write(path, content)

    monkeypatch.setattr(storage, "_write", write_first)
    with pytest.raises(tf.errors.ResourceExhaustedError):
        replace_together({str(path): b"new" for path in paths})
    assert [path.read_text() for path in paths] == ["old", "old"]
    assert len([*tmp_path.iterdir()]) == 2


@pytest.mark.parametrize("write", [atomic_write, write_passing])
def test_what_a_kill_left_is_gone_once_another_process_writes_there(write, tmp_path):
    earlier = f"study.json.{2**22 + 1}-1-{socket.gethostname()}-{'0' * 32}.tmp"
    of_dead = re.sub(r"\.\d+-", f".{2**22 + 1}-", temporary_path("report_paper"))
    (tmp_path / earlier).write_text("half")
    _tree(tmp_path / of_dead, "half")
    of_living = pathlib.Path(temporary_path(str(tmp_path / "others")))
    of_container = tmp_path / re.sub(r"@\d+", "@1", of_dead)  # Whose processes have other numbers.
    others = [of_living, of_container, tmp_path / "of_the_user.tmp"]
    for path in others:
        path.touch()
    write(str(tmp_path / "file"), b"content")
    assert {*tmp_path.iterdir()} == {*others, tmp_path / "file"}

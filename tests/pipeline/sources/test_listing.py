"""What is found under the input folder, and what is said where that cannot be known."""

import errno
import os
import shutil
from typing import Any

import pytest

from pipeline.console.errors import UsageError
from pipeline.conversion.convert import _refusal
from pipeline.sources.files import local_files
from tests.pipeline.batches.test_frames_batches import encoded_image
from tests.pipeline.conversions import Converter, Folders, write_recordings


def _deny(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Makes a folder unreadable, which it never is to root."""
    scandir = os.scandir

    def denied(path: Any = ".") -> Any:
        if str(path).endswith(f"/{name}"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scandir(path)

    monkeypatch.setattr("pipeline.sources.files.os.scandir", denied)


@pytest.mark.parametrize("flag", ["--overwrite", "--dry_run"])
def test_a_folder_that_cannot_be_read_is_named(
    folders: Folders, converter: Converter, monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    write_recordings(folders, 4)
    (folders.inputs / "private").mkdir()
    _deny(monkeypatch, "private")
    outcome = converter.run(flag)
    assert outcome.code == 1
    assert outcome.text == (
        f"error: cannot list {folders.inputs}/private (Permission denied), which may hold inputs; "
        "make it readable, or move it elsewhere"
    )


def test_a_listing_that_breaks_off_is_told(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_recordings(folders, 2)
    scandir = os.scandir

    class Broken:
        def __init__(self, path: str):
            self._entries = scandir(path)

        def __enter__(self) -> Any:
            yield next(self._entries)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        def __exit__(self, *_: object) -> None:
            self._entries.close()

    monkeypatch.setattr("pipeline.sources.files.os.scandir", Broken)
    with pytest.raises(UsageError, match=f"cannot list {folders.inputs}/ .Input/output error., wh"):
        [*local_files(str(folders.inputs))]


@pytest.mark.parametrize("name", [".Trash-0", "output/test/1.0.0"])
def test_a_folder_without_inputs_need_not_be_readable(
    folders: Folders, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    converter = Converter(folders._replace(output=folders.inputs / "output"), capsys)
    write_recordings(folders, 4)
    (folders.inputs / ".Trash-0").mkdir()
    _deny(monkeypatch, name)
    assert len(converter.dataset("--splits=train=1").split("train")) == 4


def test_a_folder_that_vanishes_while_it_is_listed_is_empty(folders: Folders) -> None:
    write_recordings(folders, 2)
    (folders.inputs / "gone").mkdir()
    found = local_files(str(folders.inputs))
    next(found)
    (folders.inputs / "gone").rmdir()
    assert len([*found]) == 1
    shutil.rmtree(folders.inputs)
    assert not [*local_files(str(folders.inputs))]


@pytest.mark.parametrize("kind", ["UsageError", "DatasetError", "LinkError"])
def test_a_refusal_of_a_worker_process_is_found_in_its_text(kind: str) -> None:
    text = f"Traceback:\n  ...\npipeline.errors.{kind}: cannot list a [while running 'List']\n\n"
    assert _refusal(RuntimeError(text)) == "cannot list a"
    assert not _refusal(RuntimeError("Traceback:\n  ...\nValueError: no UsageError\n"))


def test_a_dataset_among_its_inputs_is_none_of_them(
    folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    converter = Converter(folders._replace(output=folders.inputs / "datasets"), capsys)
    for number in range(4):
        (folders.inputs / f"{number}").mkdir()
        (folders.inputs / f"{number}" / "0.jpg").write_bytes(encoded_image(number))
    flags = ("--source=image_folders", "--label_kind=none", "--splits=train=1")
    first = converter.dataset(*flags)
    second = converter.dataset(*flags, "--overwrite")
    assert second.manifest == first.manifest
    assert not second.manifest.rejects
    for other in ("--dataset_version=1.0.1", "--name=other"):
        outcome = converter.run(*flags, other)
        assert outcome.code == 0
        assert "rejected" not in outcome.text

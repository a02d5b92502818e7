"""What becomes of a finished dataset while another takes its place."""

import errno
import os
from typing import Any

import pytest

from pipeline.work_dir import WorkDir
from tests.pipeline.conversions import Converter, Folders, hashes, write_recordings
from tfrecords_schema.verify import verify_dataset

_FLAGS = ("--splits=train=0.5,test=0.5", "--overwrite", "--num_shards=3")


def _whole(folders: Folders) -> dict[str, str]:
    """The dataset's files without those of the conversion that is not finished."""
    found = hashes(folders.dataset).items()
    return {name: value for name, value in found if not name.startswith(".conversion")}


def _full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    "writes",
    [
        "pipeline.commit.merge_indexes",
        "pipeline.commit.atomic_write",
        "pipeline.commit.finish_dataset",
        "tfrecords_schema.files.atomic_write",
        "pipeline.work_dir.WorkDir.write_outcome",
    ],
)
def test_a_full_disk_leaves_the_older_dataset_as_it_was(
    folders: Folders, converter: Converter, monkeypatch: pytest.MonkeyPatch, writes: str
) -> None:
    write_recordings(folders, 6)
    converter.dataset("--splits=train=1")
    before = _whole(folders)
    with monkeypatch.context() as patch:
        patch.setattr(writes, _full)
        outcome = converter.run(*_FLAGS)
    assert outcome.code == 1
    assert "No space left on device); what is written stays" in outcome.text
    assert _whole(folders) == before
    converter.dataset(*_FLAGS)
    assert not list(verify_dataset(str(folders.dataset)))


def test_a_folder_may_have_the_name_of_a_pattern(
    folders: Folders, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = folders._replace(output=folders.output / "a[1]*")
    converter = Converter(folders, capsys)
    write_recordings(folders, 6)
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.work_dir.WorkDir.remove", lambda _: None)
        converter.dataset("--splits=train=1", "--num_shards=3")
    assert WorkDir(str(folders.dataset)).read_progress()["written"] == 6
    converter.dataset("--splits=train=1", "--num_shards=2", "--overwrite")
    assert not list(verify_dataset(str(folders.dataset)))

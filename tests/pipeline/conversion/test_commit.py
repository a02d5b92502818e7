"""What becomes of a finished dataset while another takes its place."""

import errno
import os
import sys
from typing import Any

import numpy as np
import pytest

from pipeline.conversion import work_dir
from pipeline.conversion.shard_writer import ShardWriter
from pipeline.conversion.work_dir import WorkDir
from pipeline.sources.kinds.signals import SignalSource
from pipeline.verification.verify import verify_dataset
from tests.pipeline.conversions import Converter, Folders, hashes, write_npz, write_recordings

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
        "pipeline.conversion.commit.merge_indexes",
        "pipeline.conversion.commit.atomic_write",
        "pipeline.conversion.commit.finish_dataset",
        "tfrecords_schema.files.atomic_write",
        "pipeline.conversion.work_dir.WorkDir.write_outcome",
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
        patch.setattr("pipeline.conversion.work_dir.WorkDir.remove", lambda _: None)
        converter.dataset("--splits=train=1", "--num_shards=3")
    assert WorkDir(str(folders.dataset)).read_progress()["written"] == 6
    converter.dataset("--splits=train=1", "--num_shards=2", "--overwrite")
    assert not list(verify_dataset(str(folders.dataset)))


def test_an_overwrite_goes_on_after_an_input_changed(
    folders: Folders, converter: Converter, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_recordings(folders, 12)
    converter.dataset(*_FLAGS)
    whole = _whole(folders)
    converter.dataset("--splits=train=1", "--overwrite")
    older = _whole(folders)
    path = folders.inputs / "g003_0003.npz"
    before = path.read_bytes()
    read, write_records = SignalSource.read, ShardWriter._write_records
    written: list[str] = []

    def read_after_change(self: SignalSource, name: str) -> Any:
        if name == path.name:
            write_npz(folders, path.stem, signal=np.zeros((4, 2), np.float32), label=np.arange(4))
        return read(self, name)

    def write(self: ShardWriter, place: str, *args: Any) -> Any:
        written.append(place)
        return write_records(self, place, *args)

    with monkeypatch.context() as patch:
        patch.setattr(SignalSource, "read", read_after_change)
        outcome = converter.run(*_FLAGS)
    assert outcome.code == 1
    assert "only the shards with them are written again" in outcome.text
    assert _whole(folders) == older
    path.write_bytes(before)
    monkeypatch.setattr(ShardWriter, "_write_records", write)
    converter.dataset(*_FLAGS)
    assert len(written) == 1
    assert hashes(folders.dataset) == whole


class _Killed(BaseException):
    """Ends a conversion like a kill would: nothing is cleaned up."""


def test_a_finished_dataset_is_cleaned_up_though_nobody_reads_of_it(
    folders: Folders, converter: Converter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: Any) -> None:
        raise BrokenPipeError

    write_recordings(folders, 6)
    monkeypatch.setattr("pipeline.conversion.convert.say", closed)
    monkeypatch.setattr("pipeline.console.run.discard_standard_output", lambda: None)
    outcome = converter.run("--splits=train=1")
    assert (outcome.code, outcome.text) == (1, "error: nobody reads the output any more")
    assert not list(verify_dataset(str(folders.dataset)))


@pytest.mark.parametrize("removed", [1, 4])
def test_a_kill_within_the_cleaning_up_leaves_what_the_same_command_removes(
    folders: Folders, converter: Converter, monkeypatch: pytest.MonkeyPatch, removed: int
) -> None:
    write_recordings(folders, 6)
    left = iter(range(removed))
    whole = work_dir.remove

    def remove(path: str) -> None:
        is_lock = "/lock-" in path  # Its owner is alive here, and gives it back.
        if not is_lock and next(left, None) is None:
            raise _Killed
        whole(path)

    with monkeypatch.context() as patch:
        patch.setattr(work_dir, "remove", remove)
        with pytest.raises(_Killed):
            converter.run("--splits=train=1")
    assert (folders.dataset / ".conversion").exists()
    assert converter.run("--splits=train=1").code == 0
    assert not list(verify_dataset(str(folders.dataset)))


def test_an_empty_work_folder_of_a_finished_dataset_is_removed(
    folders: Folders, converter: Converter
) -> None:
    write_recordings(folders, 6)
    converter.dataset("--splits=train=1")
    (folders.dataset / ".conversion").mkdir()
    outcome = converter.run("--splits=train=1")
    assert outcome.code == 1
    assert "is a finished dataset; use --overwrite" in outcome.text
    assert not list(verify_dataset(str(folders.dataset)))


@pytest.mark.parametrize(
    "before",
    ["pipeline.conversion.commit._read_parts", "pipeline.conversion.commit.finish_dataset"],
)
def test_a_conversion_that_was_taken_over_commits_nothing(
    folders: Folders, converter: Converter, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    write_recordings(folders, 6)
    converter.dataset("--splits=train=1")
    older = _whole(folders)

    def lose_lock(*args: Any) -> Any:
        for path in folders.dataset.glob(".conversion/lock-*.json"):
            path.unlink()  # As another machine does, after this one slept.
        return work(*args)

    module, _, name = before.rpartition(".")
    work = getattr(sys.modules[module], name)
    with monkeypatch.context() as patch:
        patch.setattr(before, lose_lock)
        outcome = converter.run(*_FLAGS)
    assert outcome.code == 1
    assert "is gone: another process took" in outcome.text
    assert _whole(folders) == older
    assert not (folders.dataset / ".conversion" / "outcome.json").exists()
    converter.dataset(*_FLAGS)

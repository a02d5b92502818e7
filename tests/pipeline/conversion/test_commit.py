"""What becomes of a finished dataset while another takes its place."""

import errno
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from pipeline.conversion import commit, work_dir
from pipeline.conversion.shard_writer import ShardWriter
from pipeline.conversion.work_dir import WorkDir
from pipeline.sources.kinds.signals import SignalSource
from pipeline.verification.verify import verify_dataset
from tests.pipeline.conversions import Converter, Folders, hashes, write_npz, write_recordings

_FLAGS = ("--splits=train=0.5,test=0.5", "--overwrite", "--num_shards=3")
_WORKERS = ("--direct_num_workers=2", "--direct_running_mode=multi_threading")


def _whole(folders: Folders) -> dict[str, str]:
    """The dataset's files without those of the conversion that is not finished."""
    found = hashes(folders.dataset).items()
    return {name: value for name, value in found if not name.startswith(".conversion")}


def _full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _require_the_older_until_the_last(
    folders: Folders,
    converter: Converter,
    monkeypatch: pytest.MonkeyPatch,
    failures: Sequence[tuple[str, Callable[..., Any], tuple[str, ...]]],
    message: str,
) -> None:
    """Replaces a dataset by runs that each fail at a place, with flags, and one that does not."""
    write_recordings(folders, 6)
    converter.dataset("--splits=train=1")
    older = _whole(folders)
    for place, instead, flags in failures:
        with monkeypatch.context() as patch:
            patch.setattr(place, instead)
            outcome = converter.run(*_FLAGS, *flags)
        assert outcome.code == 1, place
        assert message in outcome.text, place
        assert _whole(folders) == older, place
        assert not (folders.dataset / ".conversion" / "outcome.json").exists(), place
    converter.dataset(*_FLAGS)
    assert not list(verify_dataset(str(folders.dataset)))


def test_a_full_disk_leaves_the_older_dataset_as_it_was(
    folders: Folders, converter: Converter, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = {
        "pipeline.conversion.shard_writer.RecordWriter.write": _WORKERS,  # Errors come as text.
        "pipeline.conversion.commit.merge_indexes": (),
        "pipeline.conversion.commit.atomic_write": (),
        "pipeline.conversion.commit.finish_dataset": (),
        "tfrecords_schema.files.atomic_write": (),
        "pipeline.conversion.work_dir.WorkDir.write_outcome": (),
    }
    failures = [(place, _full, flags) for place, flags in writes.items()]
    message = "No space left on device); what is written stays"
    _require_the_older_until_the_last(folders, converter, monkeypatch, failures, message)


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


def test_a_conversion_that_was_taken_over_commits_nothing(
    folders: Folders, converter: Converter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def losing_lock(work: Callable[..., Any]) -> Callable[..., Any]:
        def lose(*args: Any) -> Any:
            for path in folders.dataset.glob(".conversion/lock-*.json"):
                path.unlink()  # As another machine does, after this one slept.
            return work(*args)

        return lose

    works = [getattr(commit, name) for name in ("_read_parts", "finish_dataset")]
    failures = [(f"{commit.__name__}.{work.__name__}", losing_lock(work), ()) for work in works]
    message = "is gone: another process took"
    _require_the_older_until_the_last(folders, converter, monkeypatch, failures, message)

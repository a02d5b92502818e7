import concurrent.futures
import json
import os
import pathlib
import socket
import subprocess
import sys
import types

import pytest

from pipeline.console.errors import UsageError
from pipeline.conversion.progress import ProgressLine, progress_text
from pipeline.conversion.work_dir import ProgressFile, WorkDir
from tfrecords_schema.locks import LockedError


def test_a_second_start_is_refused_while_the_first_is_alive(tmp_path: pathlib.Path) -> None:
    first = WorkDir(str(tmp_path))
    first.start(overwrite=False)
    with pytest.raises(LockedError, match=f"process {os.getpid()} on .* is converting to"):
        WorkDir(str(tmp_path)).start(overwrite=True)
    first.release()
    WorkDir(str(tmp_path)).start(overwrite=False)


@pytest.mark.parametrize("start", ["", "0"])
def test_a_lock_of_a_dead_process_does_not_stop_the_next(
    tmp_path: pathlib.Path, start: str
) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    # With a start time that differs, the number is that of another process by now.
    _write_lock(tmp_path, pid=os.getppid() if start else dead.pid, start=start)
    WorkDir(str(tmp_path)).start(overwrite=False)


def test_a_lock_of_an_earlier_process_with_our_number_is_stale(tmp_path: pathlib.Path) -> None:
    _write_lock(tmp_path, pid=os.getpid(), start="0")  # As after a container's restart.
    WorkDir(str(tmp_path)).start(overwrite=False)


def test_of_several_starts_at_once_one_at_most_goes_on(tmp_path: pathlib.Path) -> None:
    def start(_: int) -> bool:
        try:
            WorkDir(str(tmp_path)).start(overwrite=False)
        except LockedError:
            return False
        return True

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(start, range(8))) <= 1


def test_what_cannot_be_written_says_so(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"cannot write to .*; give an --output_dir that can be"):
        WorkDir(str(tmp_path / "file" / "below")).start(overwrite=False)


def test_temporary_files_are_cleared_and_shards_stay(tmp_path: pathlib.Path) -> None:
    work_dir = WorkDir(str(tmp_path))
    work_dir.start(overwrite=False)
    # Of a dataset, and a split, that are called progress.
    kept = ["progress-00000.parquet", "progress-progress.tfrecord-00000-of-00001"]
    removed = ["a.tfrecord.123.tmp", "outcome.json", "plan.json", "progress-1.json"]
    for name in [*kept, *removed]:
        (tmp_path / ".conversion" / name).touch()
    work_dir.clear()
    left = [path.name for path in (tmp_path / ".conversion").glob("[!l]*")]
    assert sorted(left) == kept


def _write_lock(folder: pathlib.Path, *, pid: int, start: str) -> None:
    lock = folder / ".conversion" / "lock-1.json"
    lock.parent.mkdir()
    owner = {"pid": pid, "host": socket.gethostname(), "start": start, "since": "then"}
    lock.write_text(json.dumps(owner))


def test_the_rate_is_that_of_writing(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([100.0, 104.0])
    clock = types.SimpleNamespace(monotonic=lambda: next(now))
    monkeypatch.setattr("pipeline.conversion.progress.time", clock)
    line = ProgressLine(WorkDir(str(tmp_path)))
    assert line._rate(1_000) == 0  # However long it took to come to them.
    assert line._rate(9_000) == 2_000


def test_progress_is_the_sum_over_workers(tmp_path: pathlib.Path) -> None:
    work_dir = WorkDir(str(tmp_path))
    work_dir.start(overwrite=False)
    for _ in range(2):
        file = ProgressFile(work_dir.path)
        file.add(written=3, size_bytes=10_000_000)
        file.add(written=2, size_bytes=0)
        file.flush()
    progress = work_dir.read_progress()
    assert progress == {"written": 10, "size_bytes": 20_000_000}
    assert progress_text(progress, {"records": 20, "size_bytes": 40_000_000}, 10e6) == (
        "wrote 10 of 20 records, 20.0 MB of 40.0 MB, 10.0 MB/s, 0:02 left"
    )
    assert progress_text(progress, {"records": 20, "size_bytes": 40_000_000}, 0.0) == (
        "wrote 10 of 20 records, 20.0 MB of 40.0 MB"
    )
    assert progress_text({"described": 1234}, {}, 0.0) == "described 1,234 inputs"

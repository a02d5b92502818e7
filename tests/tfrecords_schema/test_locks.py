"""One process in a folder: which locks stop the next, and which are nobody's."""

import dataclasses
import json
import os
import subprocess
import time

import pytest

from tfrecords_schema import DatasetError, locks, owners
from tfrecords_schema.locks import Lock, LockedError


def _write(folder, **owner) -> str:
    here = vars(owners.this_process())
    path = folder / "lock-other.json"
    path.write_text(json.dumps({**here, "since": "2026-01-01 00:00:00 UTC", **owner}))
    return str(path)


def test_a_living_process_keeps_the_folder_until_it_gives_it_back(tmp_path):
    with Lock(str(tmp_path), "training in runs/1") as lock:
        with pytest.raises(LockedError, match=rf"process {os.getpid()} on .* is training in runs"):
            Lock(str(tmp_path), "training in runs/1").take()
        lock.require()
        assert len([*tmp_path.iterdir()]) == 1
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    "owner",
    [{"pid": 2**22 + 1}, {"start": "1"}, {"boot": "an earlier one"}, {"pid": 0, "start": ""}],
    ids=["no such process", "number used anew", "machine started anew", "no number"],
)
def test_the_lock_of_a_dead_process_of_this_machine_is_taken_over_at_once(owner, tmp_path, caplog):
    path = _write(tmp_path, **owner)
    with Lock(str(tmp_path), "training"):
        assert not os.path.exists(path)
    assert "is gone: going on without it" in caplog.text


def test_a_lock_of_a_later_version_that_says_more_is_one(tmp_path):
    _write(tmp_path, container="1")
    with pytest.raises(LockedError, match=f"process {os.getpid()} on"):
        Lock(str(tmp_path), "training").take()


@pytest.mark.parametrize(("start", "hidden", "alive"), [("1", 0, 0), ("", 0, 1), ("1", 1, 1)])
def test_of_a_process_of_another_user_the_start_is_asked_where_it_is_told(
    start, hidden, alive, monkeypatch
):
    def denied(*_):
        raise PermissionError

    here = owners.this_process()
    monkeypatch.setattr(owners.os, "kill", denied)
    if hidden:
        monkeypatch.setattr(owners, "_told", lambda *_: "")
    other = dataclasses.replace(here, start=start or here.start)
    assert owners.is_alive(other) == bool(alive)


def test_a_process_that_ended_and_that_nobody_asked_for_is_dead(tmp_path):
    ended = subprocess.Popen(["true"])
    start = owners._process_start(ended.pid)
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)  # It stays as it is.
    _write(tmp_path, pid=ended.pid, start=start)
    with Lock(str(tmp_path), "training"):
        pass
    ended.wait()


@pytest.mark.parametrize("owner", [{"host": "elsewhere"}, {"space": "pid:[1]"}])
def test_a_silent_lock_of_another_machine_is_taken_over(owner, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(locks, "SILENT_SECS", 0.3)
    path = _write(tmp_path, **owner)
    started = time.monotonic()
    with Lock(str(tmp_path), "training"):
        assert not os.path.exists(path)
    assert time.monotonic() - started >= 0.3
    assert "waiting 0 s at most for a sign of it" in caplog.text
    path = _write(tmp_path, **owner)
    os.utime(path, (0, 0))  # One that has been silent already is not waited for.
    monkeypatch.setattr(locks, "SILENT_SECS", 1000)
    with Lock(str(tmp_path), "training"):
        pass


def test_several_silent_locks_are_waited_for_together(tmp_path, monkeypatch):
    path, clock = _write(tmp_path, host="elsewhere"), [0.0]
    for number in range(5):  # Of a folder that was handed on, say, with times to come.
        os.link(path, tmp_path / f"lock-{number}.json")
    os.utime(path, (2**32, 2**32))
    monkeypatch.setattr(locks.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(locks.time, "sleep", lambda secs: clock.append(clock.pop() + secs))
    with Lock(str(tmp_path), "training") as lock:
        assert [str(path) for path in tmp_path.iterdir()] == [lock.path]
    assert locks.SILENT_SECS <= clock[0] < 1.1 * locks.SILENT_SECS


def test_a_lock_of_another_machine_that_is_written_anew_stops_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "SILENT_SECS", 30)
    path = _write(tmp_path, host="elsewhere", pid=7)
    monkeypatch.setattr(locks.time, "sleep", lambda _: os.utime(path, (1, 1)))
    said = rf"process 7 on elsewhere is training .*it showed that it is alive.* or remove {path}"
    with pytest.raises(LockedError, match=said):
        Lock(str(tmp_path), "training").take()
    assert [p.name for p in tmp_path.iterdir()] == ["lock-other.json"]


def test_a_lock_is_written_anew_until_it_is_given_back_or_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "BEAT_SECS", 0.02)
    lock = Lock(str(tmp_path), "training")
    lock.take()
    os.utime(lock.path, (0, 0))
    deadline = time.monotonic() + 5
    while os.stat(lock.path).st_mtime == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert os.stat(lock.path).st_mtime > 0
    lock.rest()
    os.unlink(lock.path)
    lock.show_life()
    assert not os.path.exists(lock.path)
    with pytest.raises(LockedError, match="is gone: another process took"):
        lock.require()
    lock.release()


def test_whoever_was_taken_over_takes_nobody_for_silent(tmp_path):
    with Lock(str(tmp_path), "training") as lock:
        other = _write(tmp_path, host="elsewhere", pid=7)
        os.unlink(lock.path)
        assert not lock._is_silent(other)
        os.unlink(other)
        assert lock._is_silent(other)


def test_a_lock_that_may_not_be_read_is_left(tmp_path, monkeypatch):
    other = _write(tmp_path, host="elsewhere", pid=7)

    def refuse(path, *_):
        raise DatasetError(f"{path} cannot be read (Permission denied)")

    monkeypatch.setattr(locks, "read", refuse)
    with pytest.raises(DatasetError, match="Permission denied"):
        Lock(str(tmp_path), "training").take()
    assert [str(path) for path in tmp_path.iterdir()] == [other]

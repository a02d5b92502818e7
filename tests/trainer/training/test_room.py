"""Memory and disk before a training: what is told, and what is refused."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfrecords_schema.errors import UserError
from trainer.options.options import RunOptions, TrainingOptions
from trainer.training import room


def _model() -> keras.Model:
    return keras.Sequential([keras.Input((1000,)), keras.layers.Dense(250)])  # 250,250 weights.


def _require(tmp_path: pathlib.Path) -> None:
    run = RunOptions(dataset="d", run_dir=str(tmp_path / "not" / "there"))
    room.require(run, TrainingOptions(), _model())


def test_what_surely_is_too_little_is_refused(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _require(tmp_path)
    monkeypatch.setattr(room, "free_bytes", lambda folder: 3_003_000 if "not" in folder else 0)
    _require(tmp_path)  # Just a checkpoint: weights and two moments of each.
    monkeypatch.setattr(room, "free_bytes", lambda folder: 3_002_999)
    with pytest.raises(UserError, match=r"a checkpoint takes 3\.0 MB.*make space"):
        _require(tmp_path)
    monkeypatch.setattr(room, "memory_limit_bytes", lambda: 4_003_999)
    with pytest.raises(UserError, match=r"take 4\.0 MB, and this process may have 4\.0 MB"):
        _require(tmp_path)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"/proc/meminfo": "MemTotal:  1000 kB\nMemFree: 1 kB\n"}, 1_024_000),
        (
            {
                "/proc/meminfo": "MemTotal: 1000 kB\n",
                "/proc/self/cgroup": "0::/a/b\n",
                "/sys/fs/cgroup/a/b/memory.max": "max\n",
                "/sys/fs/cgroup/a/memory.max": "5000\n",
            },
            5000,
        ),
        (
            {
                "/proc/self/cgroup": "9:name=systemd:/x\n4:memory:/docker/1\n",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes": "7000\n",
            },
            7000,
        ),
    ],
)
def test_the_least_limit_of_machine_and_container_counts(
    files: dict[str, str], expected: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_lines", lambda path: files.get(path, "").splitlines())
    assert room.memory_limit_bytes() == expected


def test_linux_tells_the_memory_of_this_machine() -> None:
    found = pathlib.Path("/proc/meminfo").read_text().split()[1]
    limit = room.memory_limit_bytes()
    assert limit is not None
    assert 0 < limit <= int(found) * 1024


def test_the_text_has_what_is_needed_and_what_there_is(tmp_path: pathlib.Path) -> None:
    options = (RunOptions(dataset="d", run_dir=str(tmp_path)), TrainingOptions(keep_checkpoints=2))
    said = room.text(options, _model(), int(np.float32(0).nbytes))
    assert "weights 1.0 MB, gradients and optimizer 3.0 MB" in said
    assert "disk: 10.0 MB for 3 checkpoints and the best weights, of " in said
    assert "this process may have " in said


def test_memory_that_is_taken_again_counts_again() -> None:
    filled = tf.function(lambda rows: tf.reduce_sum(tf.ones([rows, 1000]) + 1))
    for _ in range(2):
        peak, found = room.Peak(), []
        for rows in (100, 50_000):
            peak.begin()
            filled(tf.constant(rows))
            found.append(peak.bytes())
        assert found[1] > found[0] + 150_000_000


def test_what_is_free_bounds_what_a_training_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "/proc/meminfo": "MemTotal: 1000 kB\nMemAvailable: 300 kB\n",
        "/proc/self/status": "VmHWM: 999 kB\nVmRSS: 50 kB\n",
    }
    monkeypatch.setattr(room, "_lines", lambda path: files.get(path, "").splitlines())
    assert room.limit_bytes() == 350 * 1024
    files["/proc/self/cgroup"] = "0::/a\n"
    files["/sys/fs/cgroup/a/memory.max"] = "200000\n"
    assert room.limit_bytes() == 200_000

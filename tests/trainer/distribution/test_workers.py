"""Several workers on this machine: kills, SIGTERM, hangs, and what is refused."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from pipeline.console import exit_codes
from tests.datasets import toy_dataset
from tests.forks.process import TIMEOUT_SECS, Process
from tests.repository import REPOSITORY
from tests.trainer import processes as runs
from tests.trainer.in_process import train
from tfrecords_schema.errors import UserError
from trainer import launch
from trainer.distribution import cluster, watchdog
from trainer.distribution.cluster import Worker
from trainer.distribution.strategy import make_strategy
from trainer.options.options import RunOptions

_FLAGS = (
    *runs.SMALL_MODEL,
    "--rnn_cell=none",  # It sees no other worker, and takes most of the time to trace.
    "--dropout=0",
    "--optimizer=sgd",
    "--epochs=12",
    "--checkpoint_every_steps=1",
)
# Rounding of 100 steps, in which sums over replicas are added in another order than on one device.
# A step that is lost or done twice shows as 1e-3.
_TOLERANCE = 1e-5
_RUN = RunOptions(dataset="d", run_dir="r", strategy="multi_worker")


def test_a_killed_and_a_stopped_run_on_workers_go_on_on_another_number_of_replicas(tmp_path):
    dataset = toy_dataset(tmp_path / "data", step_shape=(12, 1))[0].path
    disturbed, undisturbed = tmp_path / "disturbed", tmp_path / "undisturbed"

    launcher = _launch(dataset, disturbed)
    _wait_for_step(launcher, disturbed, 2)
    os.kill(_workers(launcher)[1], signal.SIGKILL)
    output = _finish(launcher, 128 + signal.SIGKILL)
    assert "worker 1 was killed by SIGKILL" in output
    assert "[0] error: lost /job:worker/replica:0/task:1" in output
    assert "Traceback" not in output

    command = ("trainer.__main__", f"--dataset={dataset}", f"--run_dir={disturbed}", *_FLAGS)
    workers = [
        Process(*command, log=tmp_path / f"log-{number}", environment=environment)
        for number, environment in enumerate(runs.clusters(2))
    ]
    _wait_for_step(workers[0], disturbed, runs.last_step(disturbed) + 3)
    workers[1].send_signal(signal.SIGTERM)
    assert [worker.wait() for worker in workers] == [exit_codes.STOPPED] * 2
    assert "resuming at epoch" in workers[0].output()
    for worker in workers:
        assert "asked to stop: checkpoint written after epoch" in worker.output()

    train(dataset, disturbed, *_FLAGS, model=())  # On one device now.
    train(dataset, undisturbed, *_FLAGS, model=())
    expected, found = runs.arrays(undisturbed), runs.arrays(disturbed)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=_TOLERANCE, err_msg=name)


@pytest.mark.parametrize("timed_out_in_step", [True, False])
def test_a_worker_that_stands_still_says_where_and_ends(timed_out_in_step, monkeypatch, capsys):
    ended = []
    monkeypatch.setattr(watchdog.os, "_exit", ended.append)
    monkeypatch.setattr(watchdog, "_ASKING_LIMIT_SECS", 0.01)
    monkeypatch.setattr(watchdog.Watchdog, "_names_of_missing", lambda self: "worker 1")
    with watchdog.Watchdog(Worker(0, 2, range(1)), timeout_secs=0.1) as watched:
        for number in range(3):
            with watched.step(number):
                pass
        assert not ended
        if timed_out_in_step:
            with watched.step(3):
                _wait_until(lambda: ended)
        _wait_until(lambda: ended)
    assert ended[0] == exit_codes.LOST_WORKER
    where = "in step 3, waiting for worker 1" if timed_out_in_step else "itself after step 2"
    assert (
        f"worker 0 stands still for 0.1 s (--worker_timeout_secs) {where}"
        in capsys.readouterr().err
    )


def test_several_workers_need_a_cluster(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(
        ValueError, match=r"neither TF_CONFIG nor SLURM's variables.*trainer.launch"
    ):
        make_strategy(_RUN)


def test_a_cluster_with_parameter_servers_is_refused(monkeypatch):
    config = {"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "ps", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    with pytest.raises(ValueError, match="expected chief and worker only"):
        make_strategy(_RUN)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("no json", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("3", "is no cluster"),
        ('{"cluster": 3}', "is no cluster .*must be a dictionary.*; expected {"),
        ('{"cluster": {"worker": 3}}', "is no cluster .*must be a list"),
        ('{"cluster": {"worker": ["a:1"]}, "task": 3}', "is no cluster"),
        (
            '{"cluster": {"worker": ["a:1", "b"]}, "task": {"type": "worker", "index": 0}}',
            "is no cluster .'b' is no host:port",
        ),
        (
            '{"cluster": {"worker": ["a:65536"]}, "task": {"type": "worker", "index": 0}}',
            "is no cluster .'a:65536' is no host:port",
        ),
        (
            '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
            "task 1 of the 1 of job worker",
        ),
    ],
)
def test_a_cluster_that_cannot_be_read_is_refused(config, message, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(UserError, match=f"TF_CONFIG .*{message}.*; correct it, or unset it"):
        make_strategy(_RUN)


_STEP = {
    "SLURM_PROCID": "2",
    "SLURM_STEP_NUM_TASKS": "3",
    "SLURM_STEP_NODELIST": "node[7-8]",
    "SLURM_STEP_TASKS_PER_NODE": "2,1",
}


@pytest.mark.parametrize(
    "step",
    [
        {"SLURM_STEP_NUM_TASKS": "3"},
        {**_STEP, "SLURM_STEP_NUM_TASKS": "x"},
        {**_STEP, "SLURM_PROCID": "x"},
        {**_STEP, "SLURM_STEP_NODELIST": "a-7-99[7,8-11]"},
    ],
)
def test_a_slurm_step_that_cannot_be_read_is_refused(step, monkeypatch):
    for name in ("TF_CONFIG", *_STEP):
        monkeypatch.delenv(name, raising=False)
    for name, value in step.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=r"SLURM's variables are those of no step .*srun"):
        make_strategy(_RUN)


def test_tasks_of_a_slurm_step_are_workers(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    for name, value in _STEP.items():
        monkeypatch.setenv(name, value)
    found = cluster.find_cluster()
    assert found.cluster_spec().as_dict() == {"worker": ["node7:8888", "node7:8889", "node8:8888"]}
    assert (found.task_type, found.task_id, cluster.count_workers(found)) == ("worker", 2, 3)


def test_a_chief_comes_before_the_workers(monkeypatch):
    addresses = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
    config = {"cluster": addresses, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    assert cluster._place(cluster.find_cluster()) == (2, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers=2"], "no flags for the trainer; give them after --"),
        (["--workers=0", "--", "--x"], "--workers=0: expected at least 1"),
        (["--workers=2", "--cores_per_worker=9999", "--", "--x"], "this machine has"),
    ],
)
def test_the_launcher_says_what_is_wrong(arguments, message, capsys):
    assert launch.main(arguments) == 2
    assert message in capsys.readouterr().err


def test_the_launcher_ends_as_the_first_worker_that_failed_by_itself():
    lost, stopped = exit_codes.LOST_WORKER, exit_codes.STOPPED
    for ended, status in (
        ([0, 0], 0), ([stopped, stopped], stopped), ([lost, 1, 2], 1), ([lost], lost),
        ([lost, -signal.SIGKILL], 128 + signal.SIGKILL),
    ):  # fmt: skip
        assert launch._exit_status(ended) == status


def test_workers_end_where_nobody_reads_what_they_print():
    code = """
import subprocess, sys
from trainer.launch import _print_lines, _wait
endless = [sys.executable, "-c", "while True: print('a line', flush=True)"]
worker = subprocess.Popen(endless, stdout=-1, stderr=subprocess.DEVNULL, text=True)
printer = _print_lines(0, worker)
status = _wait([worker])
printer.join()
sys.exit(status)
"""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, text=True, timeout=60
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def _launch(dataset: str, run_dir: pathlib.Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "trainer.launch", "--workers=2", "--"]
    return subprocess.Popen(
        [*command, f"--dataset={dataset}", f"--run_dir={run_dir}", *_FLAGS],
        cwd=REPOSITORY,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _wait_for_step(started: subprocess.Popen | Process, run_dir: pathlib.Path, step: int) -> None:
    deadline = time.monotonic() + TIMEOUT_SECS
    while runs.last_step(run_dir) < step:
        assert started.poll() is None, f"it ended with {started.poll()}"
        assert time.monotonic() < deadline, f"step {step} was not reached"
        time.sleep(0.01)


def _workers(launcher: subprocess.Popen) -> list[int]:
    listed = pathlib.Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text()
    return sorted(map(int, listed.split()))


def _finish(launcher: subprocess.Popen, status: int) -> str:
    """What was printed; all workers must be gone a minute from now."""
    workers = _workers(launcher)
    output, _ = launcher.communicate(timeout=60)
    assert launcher.returncode == status, output
    assert not any(pathlib.Path(f"/proc/{worker}").exists() for worker in workers)
    return output


def _wait_until(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)

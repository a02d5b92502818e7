"""Chains of trainings: what follows depends on how the one before it ended."""

import json
import pathlib
import subprocess
import sys

import pytest

from tfrecords_schema.locks import Lock
from trainer.studies import many_runs
from trainer.studies.many_runs import Ended, Job, run_all, run_chains


def _job(name: str, status: int = 0) -> Job:
    return Job(name, name, (str(status),), "")


def _until_one_fails(name: str, statuses: list[int], told: list[tuple[str, Ended]]):
    for number, status in enumerate(statuses):
        ended = yield _job(f"{name}{number}", status)
        told.append((f"{name}{number}", ended))
        if ended.status:
            return


@pytest.fixture
def processes(monkeypatch):
    """Processes that end as their argument says, in place of trainings."""
    code = (
        "import os, sys; print(os.environ.get('SHARED', 'last words')); sys.exit(int(sys.argv[1]))"
    )
    popen = subprocess.Popen
    monkeypatch.setattr(
        many_runs.subprocess,
        "Popen",
        lambda command, **more: popen([sys.executable, "-S", "-c", code, *command[3:]], **more),
    )
    monkeypatch.setattr(many_runs, "_gpus", lambda: [])
    monkeypatch.setattr(many_runs, "_LOOK_SECS", 0.01)


@pytest.mark.parametrize("parallel", [1, 2, 5])
def test_a_chain_goes_on_as_its_trainings_end(processes, parallel):
    told: list[tuple[str, Ended]] = []
    asked_for: list[str] = []

    def chains():
        for name, statuses in (("a", [0, 3, 0]), ("b", []), ("c", [0, 0]), ("d", [1])):
            asked_for.append(name)
            yield _until_one_fails(name, statuses, told)

    run_chains(chains(), parallel, lambda argv: Ended(int(argv[0]), "last words"))
    assert asked_for == ["a", "b", "c", "d"]
    found = {name: ended.status for name, ended in told}
    assert found == {"a0": 0, "a1": 3, "c0": 0, "c1": 0, "d0": 1}
    assert all(ended.words == "last words" for _, ended in told if ended.status)
    for chain in "ac":  # Within a chain one follows the other.
        names = [name for name, _ in told if name.startswith(chain)]
        assert names == sorted(names)


def test_what_a_chain_raises_ends_all(processes):
    def raises():
        yield _job("first")
        raise ValueError("enough")

    left = _until_one_fails("never", [0], [])
    for parallel in (1, 2):
        chains = iter([raises(), _until_one_fails("other", [0] * 99, []), left])
        with pytest.raises(ValueError, match="enough"):
            run_chains(chains, parallel, lambda argv: Ended(0))
    assert next(left).name == "never0"  # Nothing was asked of it.


def _evaluated(run_dir, fingerprint):
    evaluation = {"split": "test", "dataset_fingerprint": fingerprint, "metrics": {"accuracy": 1.0}}
    (run_dir / "evaluation-test.json").write_text(json.dumps(evaluation))


def test_a_run_that_was_killed_before_its_report_is_not_done(tmp_path):
    _evaluated(tmp_path, "f")
    assert Job("", str(tmp_path), (), "f").result()
    reported = Job("", str(tmp_path), (), "f", has_report=True)
    assert reported.result() is None
    (tmp_path / "report.html").touch()
    assert reported.result()


def test_runs_that_are_done_keep_no_lock_of_a_kill(tmp_path):
    _evaluated(tmp_path, "f")
    job = Job("", str(tmp_path), (), "f")
    with Lock(str(tmp_path), "training") as alive:
        dead = json.loads(pathlib.Path(alive.path).read_text()) | {"pid": 2**22 + 1}
        (tmp_path / "lock-0.json").write_text(json.dumps(dead))
        run_all([job], 1, lambda argv: 1)
        assert [str(path) for path in tmp_path.glob("lock-*")] == [alive.path]


def test_processes_beside_each_other_share_the_cores(processes, monkeypatch):
    monkeypatch.setattr(many_runs.threads, "of_each_process", lambda count: {"SHARED": str(count)})
    told: list[tuple[str, Ended]] = []
    run_chains([_until_one_fails("a", [1], told)], 2, lambda argv: Ended(0))
    assert [ended.words for _, ended in told] == ["2"]

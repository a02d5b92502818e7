"""Chains of trainings: what follows depends on how the one before it ended."""

import subprocess
import sys

import pytest

from trainer.studies import many_runs
from trainer.studies.many_runs import Ended, Job, run_chains


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
    code = "import sys; print('last words'); sys.exit(int(sys.argv[1]))"
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

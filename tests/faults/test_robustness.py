"""Small versions of the counts in docs/robustness.md; a script fails if it finds a violation."""

import pathlib
import subprocess
from collections.abc import Callable

import pytest

from benchmarks.faults import bit_flips, full_disk
from tests.forks.process import Process


@pytest.fixture
def run(tmp_path: pathlib.Path) -> Callable[..., str]:
    """Runs a script in a process of its own: those that fork must not have started TensorFlow."""

    def finish(script: str, *flags: str, **environment: str) -> str:
        name, log = f"benchmarks.faults.{script}", tmp_path / "log"
        return Process(name, *flags, log=log, environment=environment).succeed()

    return finish


def test_property_04_killed_conversions_end_in_the_same_bytes(run: Callable[..., str]) -> None:
    assert "killed at least once        3" in run("conversion_kills", "--trials=3")


def test_property_10_killed_trainings_end_in_the_same_weights(run: Callable[..., str]) -> None:
    # Killed twice: within the writing of a checkpoint, and at any instant. Operations are divided
    # among the cores here, as on a machine of one's own; in the rest of the suite they are not.
    flags = ("--trials=1", "--seed=58")
    table = run("training_kills", *flags, TF_NUM_INTRAOP_THREADS="0")
    assert "killed within a checkpoint's writing" in table


def test_killed_exports_and_evaluations_end_as_without_a_kill(run: Callable[..., str]) -> None:
    assert "killed: export" in run("study_kills", "--commands=3", "--studies=0", "--seed=5")


def test_property_05_mutated_inputs_are_converted_or_rejected(run: Callable[..., str]) -> None:
    assert "npz         300" in run("fuzz_inputs", "--inputs=300", "--seed=7")


def test_flipped_bits_are_found_and_never_trained_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert bit_flips.main(["--flips=16", "--truncations=8", "--seed=9"]) == 0
    assert "training names shard and record" in capsys.readouterr().out


@pytest.fixture
def may_mount(tmp_path: pathlib.Path) -> None:
    try:
        with full_disk.mounted_disk(tmp_path):
            pass
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or str(error).encode()
        pytest.skip(f"needs the right to mount a tmpfs (root): {said.decode().strip()}")


@pytest.mark.usefixtures("may_mount")
def test_a_full_disk_loses_nothing(run: Callable[..., str]) -> None:
    flags = ("--conversions=1", "--trainings=0", "--reports=0", "--studies=1")
    assert "stopped by a full disk" in run("full_disk", *flags)


def test_going_on_is_quick_and_its_state_small(run: Callable[..., str]) -> None:
    assert "20,000 records" in run("resume_cost", "--records=20000", "--repeats=1", "--no-state")

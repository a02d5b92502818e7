"""A power cut at any instant: what is said to be whole is whole, and nothing told is lost."""

import pathlib

import keras
import numpy as np
import pytest

from benchmarks.faults.power_cuts import conversion_problem, training_problem
from benchmarks.harness import lossy_disk
from pipeline.conversion.convert import main as convert
from tests.pipeline.conversions import Folders, base_flags, write_recordings
from trainer.runs.checkpoints import Checkpoints, TrainingState
from trainer.training import history


def _checkpoints(root: pathlib.Path, skipped=lambda number, path: False) -> list[str]:
    """Problems of three checkpoints, two kept, each behind its line of the history."""
    (root / "run").mkdir(parents=True)
    run_dir = root / "run"
    checkpoints = Checkpoints(str(run_dir / "checkpoints"), keep=2)
    variable = keras.Variable(np.zeros(3, np.float32))
    with lossy_disk.recorded(root, skipped) as recording:
        for epoch in range(3):
            variable.assign(np.full(3, epoch, np.float32))
            line = {"epoch": epoch, "train": {"loss": 1.0}, "validation": None}
            history.append(str(run_dir / "metrics.jsonl"), line)
            state = TrainingState(epoch=epoch + 1, global_step=epoch)
            checkpoints.save(state, {"model": [variable]})
            recording.told += 1
    return [problem for cut in recording.cuts if (problem := training_problem(cut, "run"))]


def test_no_cut_loses_a_checkpoint_that_was_saved(tmp_path):
    assert _checkpoints(tmp_path / "all") == []


@pytest.mark.parametrize(
    "kind", [".npz", ".tmp", "checkpoints/ckpt-2", "state", "options", "metrics.jsonl"]
)
def test_each_flush_of_a_checkpoint_is_needed(kind, tmp_path):
    problems = _checkpoints(tmp_path / "some", lambda _, path: kind in path)
    assert problems


@pytest.fixture(scope="module")
def conversions(tmp_path_factory) -> list[list[str]]:
    """Problems of a conversion over an older dataset: as it is, and with no flush of shards."""
    root = tmp_path_factory.mktemp("conversions")
    folders = Folders(root / "in", root / "out")
    write_recordings(folders, 3)
    folders.output.mkdir()
    flags = [*base_flags(folders), "--splits=train=1", "--num_shards=1"]
    assert convert(flags) == 0
    write_recordings(folders, 4)
    with (
        lossy_disk.recorded(folders.output) as whole,
        lossy_disk.recorded(folders.output, lambda _, path: ".tfrecord-" in path) as lacking,
    ):
        assert convert([*flags, "--overwrite"]) == 0
        whole.told = lacking.told = 1
    return [_problems(recording, root / "cut") for recording in (whole, lacking)]


def _problems(recording: lossy_disk.Recording, folder: pathlib.Path) -> list[str]:
    distinct = {(frozenset(cut.files.items()), cut.done): cut for cut in recording.cuts}
    assert len(distinct) > 40
    found = (conversion_problem(cut, folder, "test/1.0.0") for cut in distinct.values())
    return [*filter(None, found)]


def test_no_cut_leaves_a_dataset_that_is_not_the_old_or_the_new(conversions):
    assert conversions[0] == []


def test_without_a_flush_of_the_shard_a_damaged_dataset_passes_for_whole(conversions):
    assert "tfrecord-00000-of-00001 has 0 bytes" in conversions[1][0]

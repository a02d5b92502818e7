"""--max_minutes and --validate_every_epochs: when a training ends, and what its schedule does."""

import itertools
import json

import pytest

from tests.datasets import toy_dataset
from tests.trainer.in_process import run_trainer
from trainer.training import timing

_FLAGS = (
    "--conv_filters=", "--conv_strides=", "--rnn_cell=none", "--notensorboard", "--noreport",
    "--batch_size=4", "--lr_schedule=cosine", "--learning_rate=0.01",
)  # fmt: skip


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("clock"))[0].path


def _history(run_dir):
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def seconds_per_step(monkeypatch):
    """Every reading of the clock is half a second after the last, so a step takes one."""
    readings = itertools.count(0, 0.5)
    monkeypatch.setattr(timing.time, "monotonic", lambda: next(readings))


def test_a_training_ends_with_its_minutes_and_its_schedule(
    dataset, tmp_path, seconds_per_step, capsys
):
    run_dir = tmp_path / "run"
    flags = [f"--dataset={dataset}", f"--run_dir={run_dir}", "--epochs=1000", *_FLAGS]
    flags += ["--validate_every_epochs=50", "--checkpoint_every_epochs=50"]
    assert run_trainer(*flags, "--max_minutes=1") == 0
    rows = [line.split() for line in capsys.readouterr().err.splitlines() if "/1000" in line]
    left = [int(row[-1].removeprefix("0:")) for row in rows]  # Seconds, of less than a minute.
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0
    history = _history(run_dir)
    assert 1 < len(history) < 100
    rates = [line["learning_rate"] for line in history]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 0.005
    assert rates[-1] < 0.0005  # The cosine has come to its end.
    # It is finished: the same command trains no more.
    assert run_trainer(*flags, "--max_minutes=1") == 0
    assert _history(run_dir) == history


def test_time_that_suffices_changes_nothing(dataset, tmp_path):
    histories = []
    for minutes in (0, 1000):
        run_dir = tmp_path / str(minutes)
        flags = [f"--dataset={dataset}", f"--run_dir={run_dir}", "--epochs=3", *_FLAGS]
        assert run_trainer(*flags, f"--max_minutes={minutes}", "--deterministic") == 0
        histories.append(
            [
                (line["train"], line["validation"], line["learning_rate"])
                for line in _history(run_dir)
            ]
        )
    assert histories[0] == histories[1]


def test_validation_every_so_many_epochs_and_after_the_last(dataset, tmp_path):
    flags = [f"--dataset={dataset}", f"--run_dir={tmp_path / 'run'}", "--epochs=5", *_FLAGS]
    assert run_trainer(*flags, "--validate_every_epochs=2") == 0
    measured = [line["validation"] is not None for line in _history(tmp_path / "run")]
    assert measured == [False, True, False, True, True]

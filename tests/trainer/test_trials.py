"""Trials choose how values are normalized by what the data shows."""

import numpy as np
import pytest

from tests.datasets import Record, write_dataset
from tests.trainer.in_process import run_trainer
from tfrecords_schema import InputSpec, LabelSpec, RecordSchema
from trainer.runs.asked import asked
from trainer.trials import settle

_CLASSES = LabelSpec("record", "class", "int64", (), ("a", "b"))


def _dataset(folder, values_of):
    rng = np.random.default_rng(0)
    records = []
    for number in range(40):
        label = number % 2
        time = np.arange(rng.integers(30, 60))
        values = values_of(rng, label, time).astype("float32")[:, None]
        records.append(Record(f"r{number}", values, np.int64(label), f"g{number}"))
    schema = RecordSchema(InputSpec("signal", "float32", (1,)), _CLASSES)
    return write_dataset(folder, {"train": records[:30], "test": records[30:]}, schema)


def by_level(rng, label, time):
    return 5 * label + rng.normal(size=len(time))


def by_shape(rng, label, time):
    wave = np.sin(time * (0.4 if label else 0.8) + rng.uniform(0, 6))
    return rng.uniform(0.1, 50) * wave + rng.uniform(-500, 500)


@pytest.mark.parametrize(
    ("values_of", "expected"),
    [(by_level, ("training_split", "both")), (by_shape, ("record", "both"))],
)
def test_normalization_follows_from_what_carries_the_label(values_of, expected, tmp_path):
    dataset = _dataset(tmp_path, values_of)
    command = asked([f"--dataset={dataset.path}", f"--run_dir={tmp_path / 'run'}"])
    settled = settle(command)
    (choice,) = (choice for choice in settled.choices if choice.name == "normalization")
    assert choice.value in expected
    assert "left out" in choice.reason
    assert settled.model.options[0].normalization == choice.value
    assert not [choice for choice in settled.choices if choice.candidates]


def test_one_command_trains_goes_on_and_says_why(tmp_path, capsys):
    dataset = _dataset(tmp_path, by_shape)
    flags = [f"--dataset={dataset.path}", f"--run_dir={tmp_path / 'run'}", "--notensorboard"]
    small = ["--width=4", "--depth=1", "--kernel_groups=4", "--epochs=3"]
    assert run_trainer(*flags, *small) == 0
    said = capsys.readouterr().out
    assert "--normalization=" in said
    assert "--batch_size=4  (30 records)" in said
    config = (tmp_path / "run" / "config.flags").read_text()
    assert "--model=inception_time" in config
    assert "--width=4" in config
    # The second start reads what the first decided, and tries nothing again.
    assert run_trainer(*flags, *small) == 0
    assert "left out" not in capsys.readouterr().out
    assert (tmp_path / "run" / "config.flags").read_text() == config
    assert run_trainer(f"--run_dir={tmp_path / 'run'}", "--mode=export") == 0

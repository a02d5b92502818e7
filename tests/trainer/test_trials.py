"""Trials choose how values are normalized by what the data shows."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tests.datasets import Record, write_dataset
from tests.trainer.in_process import run_trainer
from tfrecords_schema import InputSpec, LabelSpec, RecordSchema
from tfrecords_schema.left_out import LeftOut
from trainer import trials
from trainer.runs.asked import asked
from trainer.session import open_data
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
    settled, _ = settle(command, open_data(command), tf.distribute.get_strategy())
    (choice,) = (choice for choice in settled.choices if choice.name == "normalization")
    assert choice.value in expected
    assert "left out" in choice.reason
    assert settled.model.options[0].normalization == choice.value
    assert not [choice for choice in settled.choices if choice.candidates]


def test_trials_leave_multi_rocket_out_and_trainings_have_it(tmp_path, monkeypatch):
    tried = []

    def loss(tried_with, data):
        tried.append((tried_with.model.options[0].normalization, tried_with.model.options[1]))
        return len(tried)

    monkeypatch.setattr(trials, "_loss", loss)
    command = asked([f"--dataset={_dataset(tmp_path, by_level).path}", f"--run_dir={tmp_path}/r"])
    settled, _ = settle(command, open_data(command), tf.distribute.get_strategy())
    assert [kind for kind, _ in tried] == ["both", "record", "training_split"]
    assert not any(options.rocket_biases for _, options in tried)
    assert settled.model.options[1].rocket_biases > 0
    assert settled.model.options[0].normalization == "both"


def test_one_command_trains_goes_on_and_says_why(tmp_path, capsys):
    dataset = _dataset(tmp_path, by_shape)
    links = LeftOut("link", "to a folder", 2, "a")
    manifest = dataclasses.replace(dataset.manifest, left_out=(links,))
    pathlib.Path(dataset.path, "manifest.json").write_text(manifest.to_json())
    flags = [f"--dataset={dataset.path}", f"--run_dir={tmp_path / 'run'}", "--notensorboard"]
    small = ["--width=4", "--depth=1", "--kernel_groups=4", "--epochs=3", "--ensemble=1"]
    assert run_trainer(*flags, *small, "--noreport") == 0
    said = capsys.readouterr().out
    assert said.endswith("\nleft out or changed:\n  2 links: to a folder (as a)\n")
    left_out = json.loads((tmp_path / "run" / "left_out.json").read_text())
    assert left_out == {"left_out": [dataclasses.asdict(links)]}
    assert "--normalization=" in said
    assert "--model=inception_time  (" in said
    assert "--batch_size=4  (30 records)" in said
    config = (tmp_path / "run" / "config.flags").read_text()
    assert "--model=inception_time" in config
    assert "--width=4" in config
    # The second start reads what the first decided, and tries nothing again.
    assert run_trainer(*flags, *small, "--noreport") == 0
    assert "--" not in capsys.readouterr().out
    assert (tmp_path / "run" / "config.flags").read_text() == config
    assert run_trainer(f"--run_dir={tmp_path / 'run'}", "--mode=export") == 0
    # Of a version that did not know an option, the default holds, whatever would be decided now.
    (tmp_path / "run" / "config.flags").write_text(config.replace("--head_dropout=0.4\n", ""))
    again = asked([*flags, *small])
    assert not again.choices
    assert again.model.options[0].head_dropout == 0


def _records(lengths, labels, values=None, classes=2):
    rng = np.random.default_rng(0)
    found = []
    for number, (length, label) in enumerate(zip(lengths, labels, strict=True)):
        data = rng.normal(size=(length, 2)).astype("float32") if values is None else values(length)
        found.append(Record(f"r{number}", data, np.int64(label), f"g{number}"))
    names = tuple(f"class{number}" for number in range(classes))
    label = LabelSpec("record", "class", "int64", (), names)
    return found, RecordSchema(InputSpec("signal", "float32", (2,)), label)


@pytest.mark.parametrize(
    ("records", "schema"),
    [
        pytest.param(*_records([9], [0]), id="one record"),
        pytest.param(*_records([9, 5, 7, 6], [0] * 4), id="one class of two"),
        pytest.param(*_records([9, 5, 7, 6], [0] * 4, classes=1), id="one class only"),
        pytest.param(*_records([9, 5, 7], [0, 5, 9], classes=10), id="more classes than records"),
        pytest.param(*_records([1, 1, 2, 1], [0, 1, 0, 1]), id="one step"),
        pytest.param(
            *_records([9, 5, 7, 6], [0, 1, 0, 1], lambda n: np.full((n, 2), [7, 1e9], "float32")),
            id="constant channels, one far from zero",
        ),
        pytest.param(*_records([1, 3000, 2], [0, 1, 0]), id="one long record"),
    ],
)
def test_little_or_odd_data_trains_without_a_traceback_or_nan(records, schema, tmp_path):
    dataset = write_dataset(tmp_path, {"train": records, "test": records[:1]}, schema)
    flags = [f"--dataset={dataset.path}", f"--run_dir={tmp_path / 'run'}", "--notensorboard"]
    small = ["--width=4", "--depth=1", "--kernel_groups=2", "--epochs=2", "--ensemble=1"]
    assert run_trainer(*flags, *small, "--noreport") == 0
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert all(np.isfinite(json.loads(line)["train"]["loss"]) for line in lines)

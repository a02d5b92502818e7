"""`--batch_steps=auto`: chosen once, kept, the same on all workers, within memory, or refused."""

import re

import numpy as np
import pytest
import tensorflow as tf

from tests.datasets import toy_dataset
from tests.trainer import processes as runs
from tests.trainer.in_process import run_trainer, train
from tfrecords_schema.errors import UserError
from trainer import batch_trials
from trainer.distribution import cluster
from trainer.runs.asked import asked
from trainer.session import open_data
from trainer.training import room

_MODEL = (
    "--conv_filters=", "--conv_strides=", "--rnn_cell=none", "--temporal_filters=3", "--epochs=1",
    "--num_buckets=2", "--learning_rate=0.01", "--noreport", "--notensorboard",
)  # fmt: skip


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("auto")
    return toy_dataset(folder, sizes={"train": 40, "validation": 5, "test": 5})[0].path


@pytest.fixture
def measures(monkeypatch):
    """How often steps were timed; it is done in little time."""
    monkeypatch.setattr(batch_trials, "_LIMIT_SECS", 0.2)
    times, measure = [], batch_trials.measure
    monkeypatch.setattr(batch_trials, "measure", lambda *a: times.append(1) or measure(*a))
    return times


def test_the_choice_is_made_once_and_trains_as_its_number(dataset, measures, tmp_path, capsys):
    train(dataset, tmp_path / "auto", *_MODEL, "--batch_steps=auto", model=())
    said = capsys.readouterr().out
    (number,) = re.findall(r"^--batch_steps=(\d+)  \(\d+ batches timed: .* ms a valid step", said)
    assert f"\n--batch_steps={number}\n" in (tmp_path / "auto" / "config.flags").read_text()
    assert "batches timed" in (tmp_path / "auto" / "choices.json").read_text()
    assert len(measures) == 1
    # What was timed leaves no trace in what is trained.
    train(dataset, tmp_path / "given", *_MODEL, f"--batch_steps={number}", model=())
    found, expected = runs.arrays(tmp_path / "auto"), runs.arrays(tmp_path / "given")
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    # The same command goes on with the number, and so does what comes after the training.
    for mode in ("train", "evaluate"):
        places = [f"--dataset={dataset}", f"--run_dir={tmp_path / 'auto'}", f"--mode={mode}"]
        assert asked([*places, "--batch_steps=auto"]).data.batch_steps == int(number)


def _asked(dataset, tmp_path, *flags):
    places = [f"--dataset={dataset}", f"--run_dir={tmp_path / 'run'}"]
    return asked([*places, *_MODEL, "--batch_steps=auto", *flags])


def test_other_workers_take_the_number_of_the_first(dataset, tmp_path, monkeypatch):
    command = _asked(dataset, tmp_path)
    data, strategy = open_data(command), tf.distribute.get_strategy()
    monkeypatch.setattr(cluster, "this_worker", lambda _: cluster.Worker(1, 2, range(1, 2)))
    for told, expected in ((96, 96), (0, None)):
        monkeypatch.setattr(cluster, "total", lambda _, own, told=told: own + told)
        if expected:
            assert batch_trials.batch_steps(command, data, strategy).value == expected
            continue
        with pytest.raises(UserError, match="the first worker could not choose"):
            batch_trials.batch_steps(command, data, strategy)


def test_a_record_that_alone_takes_too_much_is_refused_before_the_training(
    dataset, measures, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(room, "limit_bytes", lambda: 10_000_000)
    told = []
    monkeypatch.setattr(cluster, "from_chief", lambda _, number: told.append(number) or number)
    places = (f"--dataset={dataset}", f"--run_dir={tmp_path / 'run'}")
    assert run_trainer(*places, *_MODEL, "--batch_steps=auto") == 1
    said = capsys.readouterr().err
    assert re.search(r"record 'train-\d+' of split 'train' has 1[12] steps: .* takes about", said)
    assert "8.0 MB of 10.0 MB may be taken" in said
    assert told == [0]  # The others do not wait.
    assert not (tmp_path / "run").exists()


def test_memory_that_runs_out_ends_the_measuring(dataset, tmp_path, monkeypatch):
    def timed(session, plan, peak):
        if plan.num_steps * len(plan.records) > 4:
            raise tf.errors.ResourceExhaustedError(None, None, "no memory")
        return 0.01 * len(plan.records), 1000

    monkeypatch.setattr(batch_trials, "_timed", timed)
    command = _asked(dataset, tmp_path)
    measured = batch_trials._measured(command, open_data(command))
    assert measured.shapes.records.max() == 4


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--batch_steps=fast", "expected auto, or a whole number"),
        ("--batch_steps=0", "--batch_steps=0: expected auto, or 1 to 2147483647"),
        ("--batch_steps=auto --mode=evaluate", "is for --mode=train, got --mode=evaluate"),
        ("--batch_steps=auto --model=fcn", "--batch_size=4 --batching=random; leave it out, or"),
    ],
)
def test_what_makes_no_sense_is_refused(flags, message, dataset, tmp_path, capsys):
    (tmp_path / "config.flags").write_text("--model=signal\n--batch_size=9\n")
    run = tmp_path if "evaluate" in flags else tmp_path / "other"
    given = [f"--dataset={dataset}", f"--run_dir={run}", *flags.split()]
    assert run_trainer(*given) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("flags", ["", "--mixup=0.2"])
def test_batches_that_are_timed_grow_and_hold_records_of_the_split(flags, dataset, tmp_path):
    train_split = open_data(_asked(dataset, tmp_path, *flags.split())).train
    plans = [*batch_trials._batches(train_split)]
    padded = [len(plan.records) * int(plan.padded_steps[0]) for plan in plans]
    assert padded == sorted(padded)
    assert {len(plan.records) for plan in plans} == {1, 4, 16}
    for plan in plans:
        lengths = train_split.lengths[plan.records]
        assert plan.padded_steps[0] == lengths.max()
        assert plan.valid_steps == lengths.sum()
        assert len({*plan.records.tolist()}) == len(plan.records)
        assert len(plan.rows_read(0)) == len(plan.records) * (2 if flags else 1)

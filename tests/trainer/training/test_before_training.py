"""What a training refuses before it builds a model, and before it writes anything."""

import pytest

from tests.datasets import CLASS_PER_RECORD, random_records, write_dataset
from tests.trainer.in_process import run_trainer
from tfrecords_schema import InputSpec, RecordSchema

_SMALL = ("--conv_filters=", "--conv_strides=", "--rnn_cell=none", "--num_buckets=1", "--epochs=1")
_QUIET = ("--noreport", "--notensorboard")
_LENGTHS = {"train": [4, 5, 6, 7], "validation": [8, 9], "test": [3, 12]}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Folder with a dataset; flags of a training on it."""
    folder = tmp_path_factory.mktemp("before")
    schema = RecordSchema(InputSpec("signal", "float32", (3,)), CLASS_PER_RECORD)
    splits = {name: random_records(n, schema, prefix=name) for name, n in _LENGTHS.items()}
    dataset = write_dataset(folder, splits, schema)
    return folder, [f"--dataset={dataset.path}", f"--run_dir={folder}/run", *_SMALL, *_QUIET]


def _unexpected(*_):
    raise AssertionError("a model was built")


@pytest.mark.parametrize("dry_run", ["--dry_run", "--nodry_run"])
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--batch_steps=8", "split 'validation' of @: batch_steps is 8, but the longest record"),
        ("--batch_steps=9", "split 'test' of @: batch_steps is 9, but the longest record has 12"),
        ("--test_split=tets", "no split 'tets', it has test, train, validation; did you mean"),
        ("--train_split=foo --class_weights=balanced", "no split 'foo', it has test, train"),
        ("--model=forecaster --class_weights=1,2", "--class_weights needs class labels"),
        ("--model=forecaster --label_smoothing=.1", "--label_smoothing=0.1 needs class labels"),
        ("--model=forecaster --horizon_steps=3", "record 'test0' of split 'test' has 3 steps"),
    ],
)
def test_problems_of_every_split_come_first(flags, message, dry_run, places, monkeypatch, capsys):
    monkeypatch.setattr("trainer.__main__.build", _unexpected)
    folder, training = places
    before = sorted(folder.rglob("*"))
    assert run_trainer(*training, *flags.split(), dry_run) == 1
    assert message in capsys.readouterr().err.replace(f"{folder}/toy/1.0.0", "@")
    assert sorted(folder.rglob("*")) == before


def test_options_of_a_run_that_has_no_epoch_left_stay_those_it_was_trained_with(places, capsys):
    folder, training = places
    training = [*training, f"--run_dir={folder}/finished"]
    assert run_trainer(*training) == 0
    flags = folder / "finished" / "config.flags"
    before = flags.read_text()
    changed = ("--learning_rate=0.5", "--allow_changed=learning_rate,epochs")
    assert run_trainer(*training, *changed) == 0
    assert flags.read_text() == before
    assert "resuming at epoch 2, step 0" in capsys.readouterr().err
    assert run_trainer(*training, *changed, "--epochs=2") == 0
    assert "--learning_rate=0.5" in flags.read_text()


def test_another_run_is_refused_before_a_model_is_built(places, monkeypatch, capsys):
    folder, training = places
    training = [*training, f"--run_dir={folder}/trained"]
    assert run_trainer(*training) == 0
    before = {path: path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}
    assert run_trainer(*training, "--seed=3", "--dry_run") == 0
    monkeypatch.setattr("trainer.__main__.build", _unexpected)
    assert run_trainer(*training, "--seed=3", "--histograms") == 1
    assert "--seed was '0' and is '3'" in capsys.readouterr().err
    found = {path: path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}
    assert found == before


@pytest.mark.parametrize(("split", "status"), [("train", 0), ("validation", 1)])
def test_statistics_of_another_split_than_is_trained_on_are_not_used(places, split, status, capsys):
    flags = ("--normalization=training_split", f"--train_split={split}", "--dry_run")
    assert run_trainer(*places[1], *flags) == status
    message = "needs the training split's statistics, which this dataset's manifest lacks"
    assert (message in capsys.readouterr().err) == bool(status)

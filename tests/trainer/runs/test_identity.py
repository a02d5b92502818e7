"""Which runs are the same, also between versions that have other options."""

import pytest

from tests.datasets import toy_dataset
from trainer.runs.asked import asked
from trainer.runs.checkpoints import CheckpointError
from trainer.runs.identity import changed_options, check_identity, identity


def _identity(folder, *flags):
    dataset, _ = toy_dataset(folder)
    given = [f"--dataset={dataset.path}", "--run_dir=runs/new", *flags]
    return identity(asked(["--model=signal", *given]).recorded, dataset)


def test_the_identity_has_what_a_result_depends_on_and_nothing_else(tmp_path):
    found = _identity(tmp_path / "a", "--dropout=0.5")
    assert found["dropout"] == "0.5"
    assert found["model"] == "signal"
    assert {"dataset", "learning_rate", "seed", "batch_size", "rnn_units"} <= found.keys()
    assert not {"run_dir", "strategy", "report", "output", "keep_checkpoints"} & found.keys()
    assert "frame_pooling" not in found  # Of another model.


def test_where_it_is_written_and_how_often_changes_nothing(tmp_path):
    plain = _identity(tmp_path / "a")
    assert _identity(tmp_path / "b", "--noreport", "--keep_checkpoints=7") == plain
    assert changed_options(plain, _identity(tmp_path / "c", "--epochs=9", "--seed=1")) == [
        "epochs",
        "seed",
    ]


def test_an_option_that_is_newer_than_a_run_has_its_default_there(tmp_path):
    new = _identity(tmp_path / "a")
    old = {name: value for name, value in new.items() if name != "label_smoothing"}
    assert changed_options(old, new) == []
    given = _identity(tmp_path / "b", "--label_smoothing=0.1")
    assert changed_options(old, given) == ["label_smoothing"]
    assert changed_options(given, old) == ["label_smoothing"]


def test_an_option_without_a_value_differs_from_one_that_has_one(tmp_path):
    plain, budget = _identity(tmp_path / "a"), _identity(tmp_path / "b", "--batch_steps=64")
    assert changed_options(plain, budget) == changed_options(budget, plain) == ["batch_steps"]


def test_a_run_that_recorded_the_options_of_all_models_is_still_the_same(tmp_path):
    new = _identity(tmp_path / "a")
    old = {**new, "frame_pooling": "rows", "horizon_steps": "99"}
    assert changed_options(old, new) == []
    assert changed_options({**new, "from_the_future": "1"}, new) == ["from_the_future"]


def test_the_message_has_the_flag_that_allows_all_that_changed():
    found, expected = {"seed": "0", "epochs": "8"}, {"seed": "1", "epochs": "9"}
    with pytest.raises(CheckpointError, match=r"--seed was '0' and is '1'.*_changed=epochs,seed$"):
        check_identity(found, expected, ("epochs",))

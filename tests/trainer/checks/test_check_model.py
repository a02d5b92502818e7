"""`python -m trainer.check_model`: what holds of good models, and which line fails of others."""

import re

import keras
import numpy as np
import pytest

from tests.datasets import CLASS_PER_STEP, toy_dataset
from tests.forks.process import Process
from tests.repository import REPOSITORY
from trainer.check_model import main
from trainer.checks.finding import compared

_OWN = "tests.trainer.models.own_models"
_HERE = "--check_replicas=0"  # This process has one device.
_EIGHT = (
    "property 8: a recording alone, and in a batch",
    "property 8: more padding, with other values in it",
    "property 8: loss with more padding",
    "property 8: gradients with more padding",
)
_OTHERS = (
    "a row without a record",
    "property 12: no implicit mask",
    "a checkpoint, loaded into a new model",
    "the SavedModel, loaded again",
    "the .keras file, loaded again",
)


def _check(capsys, *argv):
    """Exit status, and of every line what it is about and whether it holds."""
    keras.utils.clear_session()
    status = main([_HERE, *argv])
    lines = [
        line for line in capsys.readouterr().out.splitlines() if line[:5] in ("holds", "FAILS")
    ]
    return status, {
        next((what for what in (*_EIGHT, *_OTHERS) if what in line), line): line for line in lines
    }


def test_of_a_right_model_everything_holds_with_numbers(capsys):
    status, lines = _check(capsys, f"--model={_OWN}:build", "--units=5")
    assert status == 0
    assert {*lines} == {*_EIGHT, *_OTHERS}
    assert all(line.startswith("holds") for line in lines.values())
    assert "differs by" in lines[_EIGHT[0]]
    assert "of numbers up to 0" not in lines[_EIGHT[0]]


def test_it_takes_a_dataset_and_models_of_the_trainer(capsys, tmp_path):
    dataset, _ = toy_dataset(tmp_path, label=CLASS_PER_STEP)
    given = (f"--dataset={dataset.path}", "--model=signal", "--conv_filters=", "--conv_strides=")
    status, lines = _check(capsys, *given, "--rnn_units=3", "--dropout=0.5")
    assert status == 0
    assert {*_EIGHT, *_OTHERS} <= {*lines}
    assert all(line.startswith("holds") for line in lines.values())


@pytest.mark.parametrize(
    ("function", "fails", "cure"),
    [
        ("padding_counts", _EIGHT, "hand lengths or a mask to every layer"),
        ("implicit_mask", ("property 12: no implicit mask", *_EIGHT), "masking makes one"),
        ("without_record_nan", ("a row without a record", _EIGHT[3]), "RecordPooling gives 0"),
        ("without_config", ("the .keras file, loaded again",), "get_config() with all"),
    ],
)
def test_what_is_wrong_is_shown_in_its_line(capsys, function, fails, cure):
    status, lines = _check(capsys, f"--model={_OWN}:{function}")
    assert status == 1
    assert {what for what, line in lines.items() if line.startswith("FAILS")} == {*fails}
    assert cure in lines[fails[0]]


def test_statistics_over_padding_are_found(capsys):
    given = (f"--model={_OWN}:stock_statistics", "--example_label=step")
    status, lines = _check(capsys, *given)
    (what,) = (what for what in lines if "batch statistics" in what)
    assert status == 1
    assert what.startswith("FAILS")


def test_property_09_is_checked_where_a_process_may_have_replicas(tmp_path):
    given = {"packed": 0, "stock_statistics": 1}
    started = [
        Process(
            "trainer.check_model", f"--model={_OWN}:{function}", "--example_label=step",
            log=tmp_path / function,
        )
        for function in given
    ]  # fmt: skip
    assert [process.wait() for process in started] == [*given.values()]
    good, bad = (process.output().splitlines()[-2] for process in started)
    what = "property 9: a step on one replica, and on 2: differs by "
    assert good.startswith(f"holds  {what}")
    assert bad.startswith(f"FAILS  {what}")
    assert "batch statistics, must be summed over replicas" in bad


def test_the_example_of_the_docs_holds(capsys, tmp_path, monkeypatch):
    page = (REPOSITORY / "docs" / "extending.md").read_text()
    _, _, section = page.partition("## A model of your own")
    code = re.search(r"```python\n(.*?)```", section, re.S)[1]
    (tmp_path / "documented_models.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    status, lines = _check(capsys, "--model=documented_models:build", "--filters=2")
    assert status == 0
    assert {*lines} == {*_EIGHT, *_OTHERS}


def test_a_model_must_be_named(capsys):
    assert main([]) == 2
    assert "no --model is named" in capsys.readouterr().err
    assert main([f"--model={_OWN}:four_classes", _HERE]) == 1
    assert "expected [batch, 3]" in capsys.readouterr().err


def test_a_difference_is_one_of_the_largest_number_of_its_pair():
    same, large = np.ones(3), np.full(3, 1e6)
    assert compared("x", [(same, same + 1e-6), (large, large)], "").holds
    assert not compared("x", [(large, large), (same * 1e4, same * 1.1e4)], "mend it").holds
    assert compared("x", [(large, large), (same * 1e-9, same * 2e-9)], "").holds  # Next to nothing.
    assert not compared("x", [(same, same * np.nan)], "").holds

"""The echo problem, three ways: the flagfiles' trainings end in what went in."""

import json

import numpy as np
import pytest

from pipeline.conversion.convert import main as convert
from pipeline.generate import write_echo
from tests.repository import REPOSITORY
from tests.trainer.in_process import train
from tfrecords_schema import open_dataset

_CONFIGS = REPOSITORY / "trainer" / "configs"
_ECHO = "0.0 0.2 0.4 0.6 0.8"
# Problem, kind of its labels, parameters, epochs of one step.
_PROBLEMS = [
    ("one_to_one", "record_value", 140 + 6, 1000),
    ("many_to_one", "record_value", 140 + 30, 500),
    ("many_to_many", "step_value", 140 + 6, 1000),
]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("echo")
    write_echo(str(folder))
    return folder


@pytest.mark.parametrize(("problem", "kind", "parameters", "epochs"), _PROBLEMS)
def test_the_sequence_comes_back(problem, kind, parameters, epochs, recordings, tmp_path, capsys):
    code = convert(
        ["--source=signals", f"--input_dir={recordings / problem}", f"--output_dir={tmp_path}",
         f"--name={problem}", f"--label_kind={kind}", "--splits=train=1"]
    )  # fmt: skip
    assert code == 0
    dataset = open_dataset(str(tmp_path / problem / "1.0.0"))
    run_dir = tmp_path / "run"
    flagfile = _CONFIGS / f"echo_{problem}.flags"
    train(dataset.path, run_dir, f"--flagfile={flagfile}", "--noreport", "--notensorboard")
    output = capsys.readouterr().out
    assert f"predicted values: {_ECHO}\n" in output
    assert "evaluating split 'train'" in output
    kept = (run_dir / "checkpoints").glob("ckpt-*")
    assert [path.name for path in kept] == [f"ckpt-{epochs}"]
    assert json.loads((run_dir / "versions.json").read_text())["parameters"] == parameters
    predicted = np.load(run_dir / "predictions-train.npz")["prediction"]
    np.testing.assert_allclose(np.sort(predicted.ravel()), [0, 0.2, 0.4, 0.6, 0.8], atol=0.05)

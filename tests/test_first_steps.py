"""`trainer.train` and `trainer.Run`, on what the notebook of the docs leaves."""

import contextlib
import io
import json
import os
import subprocess
import sys
import types

import numpy as np
import pytest

import trainer
from tests.repository import REPOSITORY
from tests.trainer.in_process import run_trainer
from tfrecords_schema import InputSpec
from tfrecords_schema.errors import UserError
from trainer.data.raw_arrays import RawArrays

_NOTEBOOK = REPOSITORY / "docs" / "first_steps.ipynb"


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """Runs the cells in a folder, as a kernel does; returns it, and what they left and printed."""
    folder, before = tmp_path_factory.mktemp("notebook"), os.getcwd()
    module = types.ModuleType("cells_of_first_steps")
    sys.modules[module.__name__] = module
    os.chdir(folder)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            for number, source in enumerate(_code()):
                exec(compile(source, f"cell {number}", "exec"), vars(module))
        yield folder, module, printed.getvalue()
    finally:
        os.chdir(before)
        del sys.modules[module.__name__]


def _code():
    cells = json.loads(_NOTEBOOK.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def test_the_notebook_comes_to_good_models_and_predictions(notebook):
    folder, left, printed = notebook
    assert left.run.figures["test"]["metrics"]["accuracy"] > 0.8
    assert left.own.figures["test"]["metrics"]["accuracy"] > 0.8
    assert left.prediction.answer == "square"
    assert "unknown flag --filter; did you mean --filters?" in printed
    assert (folder / "runs/own/export/saved_model/saved_model.pb").is_file()
    assert "--filters=24\n" in (folder / "runs/own/config.flags").read_text()


def test_the_notebook_is_stored_without_outputs():
    for cell in json.loads(_NOTEBOOK.read_text())["cells"]:
        assert not cell.get("outputs")


def test_figures_are_those_of_the_command(notebook):
    folder, left, _ = notebook
    found = left.own.evaluate(report=False)
    assert run_trainer("--mode=evaluate", "--run_dir=runs/own", "--noreport") == 0
    written = json.loads((folder / "runs/own/evaluation-test.json").read_text())
    assert found["test"] == written == trainer.Run(folder / "runs/own").figures["test"]
    assert len(left.own.history) == 20


def test_a_folder_is_predicted_like_its_arrays(notebook):
    folder, left, _ = notebook
    of_folder = left.again.predict(folder / "recordings")
    paths = sorted((folder / "recordings").iterdir())
    signals = [np.load(path)["signal"] for path in paths]
    of_arrays = left.again.predict([signal.astype(np.float64) for signal in signals])
    assert [one.steps for one in of_arrays] == [one.steps for one in of_folder]
    assert [one.answer for one in of_arrays] == [one.answer for one in of_folder]
    for one, other in zip(of_arrays, of_folder, strict=True):
        np.testing.assert_allclose(one.output, other.output, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("recordings", "message"),
    [
        ([], "there are no recordings to predict"),
        ([np.zeros((5, 3))], r"recording 0 is float64 \[5, 3\], the model takes float32 \[time, 2"),
        ([np.zeros((5, 2), "U1")], "recording 0 is <U1"),
        ([np.zeros((5, 2)), np.full((5, 2), np.nan)], "recording 1 holds NaN"),
        ("nowhere", "--input_dir=nowhere: no such folder"),
    ],
)
def test_recordings_that_the_model_does_not_take_are_said(notebook, recordings, message):
    with pytest.raises(UserError, match=message):
        notebook[1].again.predict(recordings)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mode": "predict"}, "mode is no option here"),
        ({"epochs": -1}, "--epochs=-1: expected at least 1"),
        ({"model": lambda data: None}, "cannot be found again by its name"),
        ({"model": "resnt"}, "did you mean resnet?"),
        ({"strategy": "multi_worker"}, "python -m trainer.launch"),
        ({"filter": 3}, "unknown flag --filter"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_calls_that_make_no_sense_are_exceptions(notebook, given, message):
    folder, left, _ = notebook
    with pytest.raises(UserError, match=message):
        trainer.train(left.dataset, folder / "runs/none", **given)
    assert not (folder / "runs/none").exists()


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="it is no run folder of a training"):
        trainer.Run(tmp_path)


def test_continuous_arrays_are_cut_as_recordings_were():
    spec, signal = InputSpec("signal", "float32", (4, 2)), np.arange(20.0).reshape(10, 2)
    dropped, padded = (
        next(RawArrays([signal], spec, {"window_samples": 4, "tail": tail}).batches(8))
        for tail in ("drop", "pad")
    )
    np.testing.assert_array_equal(dropped.inputs["signal"][0], signal[:8].reshape(2, 4, 2))
    assert (padded.steps, padded.inputs["padding"].tolist()) == ([3], [2])
    assert not padded.inputs["signal"][0, 2, 2:].any()
    with pytest.raises(UserError, match=r"or .samples, ....* of at least one window of 4"):
        RawArrays([signal[:3]], spec, {"window_samples": 4})


def test_importing_the_package_does_not_wait_for_tensorflow():
    code = (
        "import sys, trainer\n"
        "trainer.DataSpec, trainer.Options, trainer.option\n"
        "assert 'tensorflow' not in sys.modules\n"
        "assert {'train', 'Run'} <= {*dir(trainer)}\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        _ = trainer.trian

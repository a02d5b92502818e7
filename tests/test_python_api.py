"""The notebook-style script: the Python API and stock `model.fit`, nothing else."""

import importlib
import math
import runpy
import sys

import pytest

from tests.datasets import CLASS_PER_RECORD, toy_dataset
from tests.repository import REPOSITORY

_SCRIPT = REPOSITORY / "docs" / "python_api.py"


def test_the_script_trains_with_stock_fit(tmp_path, monkeypatch, capsys):
    sizes = {"train": 12, "validation": 4, "test": 4}
    dataset, _ = toy_dataset(tmp_path, label=CLASS_PER_RECORD, step_shape=(20, 2), sizes=sizes)
    arguments = ["python_api", f"--dataset={dataset.path}", "--epochs=2"]
    monkeypatch.setattr(sys, "argv", arguments)
    left = runpy.run_path(str(_SCRIPT), run_name="__main__")
    assert "fit" in type(left["model"]).fit.__qualname__  # Keras's own.
    assert type(left["model"]).__module__.startswith("keras.")
    history = left["model"].history.history
    assert len(history["loss"]) == len(history["val_loss"]) == 2
    assert all(math.isfinite(value) for values in history.values() for value in values)
    printed = capsys.readouterr().out
    assert "train: 12 records" in printed
    assert "test: {'accuracy':" in printed


@pytest.mark.parametrize(
    ("module", "name"),
    [("pipeline.batches.keras_batches", "keras_batches"), ("tfrecords_schema", "open_dataset")],
)
def test_it_uses_what_anyone_can_import(module, name):
    found = getattr(importlib.import_module(module), name)
    assert found.__doc__
    assert "return" in found.__annotations__

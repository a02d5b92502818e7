"""Predictions replace predictions and nothing else; a name that cannot be is told at once."""

import os
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.console.errors import UsageError
from tfrecords_schema import LabelSpec
from trainer.evaluation.prediction_files import Row, prediction_files, write_predictions
from trainer.serving.output_place import require_replaceable

_LABEL = LabelSpec("step", "value", "float32", (1,))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_predictions_are_replaced(tmp_path: pathlib.Path, suffix: str) -> None:
    path = str(tmp_path / f"p.{suffix}")
    files = prediction_files(path, _LABEL)
    require_replaceable(files)
    for file in files:
        pathlib.Path(file).touch()
    require_replaceable(files)
    write_predictions(path, [Row(0, "a", "a.npz", 2, np.zeros((2, 1), np.float32))], _LABEL)
    require_replaceable(files)


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("name", ["a.csv", "b.parquet", "c.parquet", "d.npz", "e.npz", "f", "g"])
def test_what_is_no_predictions_stays(tmp_path: pathlib.Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("file_name,label\n")
    if name == "c.parquet":
        pq.write_table(pa.table({"id": [1], "split": [2]}), path)
    elif name == "e.npz":
        np.savez(path, signal=np.zeros(3), id=np.zeros(3))
    elif name in "fg":
        path.unlink()
        path = tmp_path / f"{name}.csv"
        (os.mkfifo if name == "f" else os.mkdir)(path)
    with pytest.raises(UsageError, match=f"{path.name} is no file of predictions, and is left"):
        require_replaceable([str(path)])


def test_a_name_that_no_file_can_have_is_told() -> None:
    with pytest.raises(UsageError, match=r"--output=x+\.csv: File name too long; give another one"):
        require_replaceable(["x" * 250 + ".csv"])

"""Tables of predictions that a spreadsheet opens."""

import csv

import numpy as np

from tests.datasets import CLASS_PER_RECORD
from trainer.evaluation.prediction_files import Row, write_predictions


def test_ids_and_classes_that_a_spreadsheet_would_run_get_an_apostrophe(tmp_path):
    label = type(CLASS_PER_RECORD)("record", "class", class_names=("=1+1", "-2", "walk"))
    output = np.array([[0.75, 0.125, 0.125]], np.float32)
    ids = ["=cmd|' /C calc'!A0", "@x", "-3.5", "plain"]
    rows = [Row(at, name, f"{name}.npz", 1, output) for at, name in enumerate(ids)]
    path = tmp_path / "p.csv"
    write_predictions(str(path), rows, label)
    header, *found = csv.reader(path.open(newline=""))
    assert header == [
        "id", "source", "steps", "prediction",
        "probability_=1+1", "probability_-2", "probability_walk",
    ]  # fmt: skip
    assert [row[0] for row in found] == ["'=cmd|' /C calc'!A0", "'@x", "-3.5", "plain"]
    assert [row[1] for row in found][1:3] == ["'@x.npz", "'-3.5.npz"]
    assert {row[3] for row in found} == {"'=1+1"}
    assert {row[4] for row in found} == {"0.75"}

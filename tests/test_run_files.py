"""The keys that docs/run_files.md names are those of real files."""

import csv
import re

import keras
import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.console.options import names_of
from tests.datasets import (
    CLASS_PER_RECORD,
    CLASS_PER_STEP,
    CLASSES_PER_STEP,
    VALUE_PER_RECORD,
    VALUE_PER_STEP,
    VALUE_SEQUENCE,
)
from tests.repository import REPOSITORY
from tests.trainer.studies.random_runs import random_runs
from tfrecords_schema import InputSpec, LabelSpec
from trainer.evaluation.prediction_files import Row, write_predictions
from trainer.evaluation.predictions import Predictions
from trainer.models.family import DataSpec, families
from trainer.serving.export import ServedModule
from trainer.serving.serving import Serving
from trainer.step.task import Task
from trainer.studies.study_page import write_predictions as write_of_study

_PAGE = REPOSITORY / "docs" / "run_files.md"
_ONE_VALUE = LabelSpec("record", "value", "float32", ())
_LABELS = (
    CLASS_PER_RECORD, CLASS_PER_STEP, CLASSES_PER_STEP, VALUE_PER_RECORD, VALUE_PER_STEP,
    _ONE_VALUE,
)  # fmt: skip


def _documented(heading, number=0):
    """First cells of a table below a heading."""
    text = _PAGE.read_text()
    section = re.split(r"^## ", text[text.index(f"## {heading}") + 3 :], flags=re.MULTILINE)[0]
    tables = re.findall(r"^\|---.*\n((?:\|.*\n?)+)", section, re.MULTILINE)
    return {re.match(r"\| `([^`]+)` \|", row)[1] for row in tables[number].splitlines()}


def _general(names, label):
    """Names of columns as the page has them."""
    for name in label.class_names:
        names = [re.sub(rf"_{name}$", "_<class>", one) for one in names]
    return {re.sub(r"_\d+$", "_<i>", name) for name in names}


def _rows(label):
    lengths = [1, 1] if label.per == "record" else [2, 3]
    units = len(label.class_names) or int(np.prod(label.shape))
    outputs = (np.full((length, units), 1 / units, np.float32) for length in lengths)
    rows = [Row(i, f"r{i}", f"r{i}.npz", 3, output) for i, output in enumerate(outputs)]
    is_several = label.kind == "classes"
    return [row._replace(answer=row.output > 0.5) if is_several else row for row in rows]


def test_keys_of_predictions_of_a_split(tmp_path):
    one = np.zeros(1, np.int32)
    scores = np.zeros((1, 3), np.float32)
    found = Predictions(one, one + 1, one, scores, one, one, scores, step=one)
    (tmp_path / "predictions-test.npz").write_bytes(found.content())
    with np.load(tmp_path / "predictions-test.npz") as found:
        assert {*found.files} == _documented("`predictions-<split>.npz`")


def test_columns_of_predictions(tmp_path):
    found, keys = set(), set()
    for number, label in enumerate(_LABELS):
        path = tmp_path / f"{number}.parquet"
        write_predictions(str(path), _rows(label), label)
        found |= _general(pq.read_schema(path).names, label)
        if path.with_suffix(".npz").exists():
            with np.load(path.with_suffix(".npz")) as arrays:
                keys |= {*arrays.files}
    assert found == _documented("`predictions.parquet` or `.csv`")
    assert keys == _documented("The npz file beside it")


def test_columns_of_predictions_of_a_cross_validation(tmp_path):
    found = set()
    for label in (CLASS_PER_STEP, VALUE_PER_STEP, LabelSpec("step", "value", "float32", (1,))):
        write_of_study(str(tmp_path), random_runs(label, seeds=(0,)), label)
        with (tmp_path / "predictions.csv").open() as file:
            found |= _general(next(csv.reader(file)), label)
    of_prediction = _documented("`predictions.parquet` or `.csv`") - {"probability_<class>"}
    assert found == _documented("`predictions.csv` of a cross-validation") | of_prediction


def _served(label, spec, name, **options):
    family = families()[name]
    given = [
        kind(**{name: options[name] for name in options.keys() & names_of((kind,))})
        for kind in family.options
    ]
    built = family.build(DataSpec(spec, label, None), *given)
    model = built if isinstance(built, keras.Model) else built.full
    return ServedModule(Serving(model, Task(label)))


@pytest.fixture(scope="module")
def served():
    convolutions = {"conv_filters": (), "conv_strides": ()}
    small = {**convolutions, "rnn_cell": "none", "normalization": "record"}
    signal = InputSpec("signal", "float32", (4,), has_padding=True)
    return [
        _served(CLASS_PER_RECORD, signal, "signal", **small),
        _served(VALUE_PER_RECORD, signal, "signal", **small),
        _served(CLASSES_PER_STEP, signal, "signal", **small),
        _served(VALUE_SEQUENCE, InputSpec("signal", "float32", (2,)), "sequence", **convolutions),
    ]


def test_signatures_of_the_saved_model(served):
    outputs = [module.serve.get_concrete_function().structured_outputs for module in served]
    heading = "Signatures of the SavedModel"
    assert {name for found in outputs for name in found} == _documented(heading, 1)
    assert {*served[0].class_names()} == _documented(heading, 2)
    inputs = {spec.name for module in served for spec in module.serve.input_signature}
    assert inputs | {"frames"} == _documented(heading)  # The other kind of input.

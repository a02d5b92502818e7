"""Predictions whose hash fits, and whose arrays are of anything."""

import hashlib

import numpy as np
import pytest

from tests.datasets import CLASS_PER_STEP, VALUE_PER_STEP, toy_dataset
from tfrecords_schema import DatasetError
from trainer.evaluation.prediction_shapes import read_predictions
from trainer.evaluation.predictions import Predictions


def _arrays(dataset):
    index, label = dataset.split("test"), dataset.schema.label
    lengths = index.steps.astype(np.int32)
    total = int(lengths.sum())
    shape = (total, len(label.class_names) or 2)
    truth = np.zeros(total, np.int64) if label.is_single else np.zeros(shape, label.dtype)
    return {
        "record": np.arange(len(lengths), dtype=np.int32),
        "lengths": lengths,
        "label": truth,
        "prediction": np.ones(shape, np.float32),
        "answer": truth.astype(np.int32),
        "step": np.concatenate([np.arange(n, dtype=np.int32) for n in lengths]),
    }


def _read(folder, dataset, arrays):
    content = Predictions(**arrays).content()
    (folder / "predictions-test.npz").write_bytes(content)
    evaluation = {"split": "test", "predictions": hashlib.sha256(content).hexdigest()}
    return read_predictions(str(folder), dataset, evaluation)


@pytest.mark.parametrize("label", [CLASS_PER_STEP, VALUE_PER_STEP])
def test_what_an_evaluation_wrote_is_read(label, tmp_path):
    dataset = toy_dataset(tmp_path, label=label)[0]
    arrays = _arrays(dataset)
    found = _read(tmp_path, dataset, arrays)
    for name, values in arrays.items():
        np.testing.assert_array_equal(getattr(found, name), values)
    del arrays["answer"], arrays["step"]
    assert _read(tmp_path, dataset, arrays).step is None


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("record", lambda a: a + 2**30),
        ("record", lambda a: a[:-1]),
        ("lengths", lambda a: a + 2**30),
        ("lengths", lambda a: -a),
        ("label", lambda a: a + 3),
        ("label", lambda a: a.astype(str)),
        ("label", lambda a: a[:, None]),
        ("prediction", lambda a: a[:, :1]),
        ("prediction", lambda a: a.astype(complex)),
        ("prediction", lambda a: np.float32(1)),
        ("answer", lambda a: a[:-1]),
        ("answer", lambda a: a + 99),
        ("step", lambda a: a + 2**30),
        ("step", lambda a: a - 1),
    ],
)
def test_anything_else_is_refused_by_the_name_of_the_array(name, change, tmp_path):
    dataset = toy_dataset(tmp_path)[0]
    arrays = _arrays(dataset)
    arrays[name] = np.asarray(change(arrays[name]))
    with pytest.raises(
        DatasetError, match=rf"predictions-test.npz of .* \(.*{name}.*measure again"
    ):
        _read(tmp_path, dataset, arrays)

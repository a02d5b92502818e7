"""Temperature and threshold from the validation split to the files of a run, its predictions and
exports."""

import dataclasses
import functools
import json
import re
from types import SimpleNamespace

import keras
import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from pipeline.console.errors import UsageError
from tests.datasets import CLASS_PER_RECORD, CLASS_PER_STEP, VALUE_PER_STEP, toy_dataset
from tests.trainer.in_process import run_trainer
from tests.trainer.restored import restore
from trainer.evaluation.calibrate import calibrated, not_to_choose_on
from trainer.evaluation.prediction_files import Row, columns_of
from trainer.evaluation.temperature import fit_temperature
from trainer.options.reading import ReadingOptions
from trainer.runs.calibration import Calibration, hash_of_weights, kept_reading
from trainer.runs.checkpoints import CheckpointError
from trainer.step.reading import Reading
from trainer.step.task import Task

_MODEL = ("--model=signal", "--conv_filters=", "--conv_strides=", "--rnn_cell=none")
_TRAINING = ("--num_buckets=1", "--epochs=2", "--learning_rate=0.5", "--noreport")
_ASKED = ("--calibrate=temperature", "--positive_class=fall", "--decide_by=sensitivity:0.8")
_FALL = {"positive_class": "fall", "decide_by": "f1"}
_SIZES = {"train": 12, "validation": 16, "test": 9}


def _json(run, name):
    return json.loads((run / name).read_text())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Folder of a run, trained and evaluated without options, then evaluated with them."""
    folder = tmp_path_factory.mktemp("calibrated")
    dataset, _ = toy_dataset(folder, label=CLASS_PER_STEP, sizes=_SIZES)
    places = (f"--dataset={dataset.path}", f"--run_dir={folder}/run", "--notensorboard")
    assert run_trainer(*places, *_MODEL, *_TRAINING) == 0
    for split in ("validation", "test"):
        for kind in ("evaluation", "predictions"):
            path = next((folder / "run").glob(f"{kind}-{split}.*"))
            (folder / f"plain-{path.name}").write_bytes(path.read_bytes())
    assert run_trainer("--mode=evaluate", *places, "--noreport", *_ASKED) == 0
    return folder / "run"


def test_it_is_chosen_on_the_validation_split_and_kept_with_the_weights(run):
    found = _json(run, "calibration.json")
    with np.load(run.parent / "plain-predictions-validation.npz") as stored:
        truth, before = stored["label"], stored["prediction"]
    expected = fit_temperature(np.log(before), truth)
    assert found["temperature"] == pytest.approx(expected, rel=1e-4)
    with np.load(run / "predictions-validation.npz") as stored:
        after, answer = stored["prediction"], stored["answer"]
    at_least = after[:, 2] >= np.float32(found["threshold"])
    np.testing.assert_array_equal(answer == 2, at_least)
    assert found["decision"]["sensitivity"] == at_least[truth == 2].mean() >= 0.8
    assert found["threshold"] in after[truth == 2][:, 2]
    assert (found["split"], found["labels"]) == ("validation", len(truth))
    assert len(found["weights"]) == 64
    metrics = _json(run, "evaluation-validation.json")["metrics"]
    assert found["after"]["nll"] < found["before"]["nll"]
    for name, value in found["after"].items():
        assert metrics[name] == pytest.approx(value, rel=1e-5)


def test_figures_of_the_test_split_are_beside_those_without(run):
    found = _json(run, "evaluation-test.json")
    plain = json.loads((run.parent / "plain-evaluation-test.json").read_text())
    here = found["calibration"]["here"]
    for name, value in here["before"].items():
        assert plain["metrics"][name] == pytest.approx(value, rel=1e-4, abs=1e-5)
        assert found["metrics"][name] == pytest.approx(here["after"][name], rel=1e-6)
    assert "calibration" not in plain
    with np.load(run / "predictions-test.npz") as stored:
        truth, probability, answer = (stored[n] for n in ("label", "prediction", "answer"))
    with np.load(run.parent / "plain-predictions-test.npz") as stored:
        np.testing.assert_array_equal(stored["prediction"].argmax(1), probability.argmax(1))
        assert "answer" not in stored
    assert (answer != probability.argmax(1)).any()  # Else the next lines show nothing.
    assert found["metrics"]["accuracy"] == pytest.approx((answer == truth).mean())
    recall = found["per_class"]["fall"]["recall"]
    assert recall == here["decision"]["sensitivity"] == (answer == 2)[truth == 2].mean()
    assert found["metrics"]["roc_auc"] == pytest.approx(plain["metrics"]["roc_auc"], abs=0.1)


def test_predictions_and_exports_are_read_the_same_way(run, tmp_path):
    with np.load(run / "predictions-test.npz") as stored:
        expected, answer, lengths = (stored[n] for n in ("prediction", "answer", "lengths"))
    places = (f"--run_dir={run}", *_ASKED)
    written = tmp_path / "p.parquet"
    dataset = f"--dataset={run.parent}/toy/1.0.0"
    assert run_trainer("--mode=predict", *places, dataset, f"--output={written}") == 0
    with np.load(tmp_path / "p.npz") as steps:
        np.testing.assert_allclose(steps["output"], expected, atol=1e-6)
    table, parts = pq.read_table(written).to_pydict(), np.split(answer, np.cumsum(lengths)[:-1])
    shares = [np.mean(part == 2) for part in parts]
    np.testing.assert_allclose(table["share_fall"], shares, atol=1e-6)
    assert run_trainer("--mode=export", *places) == 0
    plain, rng = restore(str(run)), np.random.default_rng(0)
    inputs = {
        "signal": rng.normal(size=(20, 8, 3)).astype(np.float32),
        "lengths": np.full(20, 8, np.int32),
    }
    temperature = _json(run, "calibration.json")["temperature"]
    threshold = _json(run, "calibration.json")["threshold"]
    logits = plain.model(inputs, training=False) / temperature
    loaded = tf.saved_model.load(str(run / "export" / "saved_model"))
    served = loaded.serve(*inputs.values())
    np.testing.assert_allclose(served["probabilities"], tf.nn.softmax(logits), atol=1e-6)
    is_fall = served["probabilities"][..., 2] >= np.float32(threshold)
    np.testing.assert_array_equal(served["class_index"] == 2, is_fall)
    kept = keras.models.load_model(run / "export" / "model.keras")
    np.testing.assert_allclose(kept(inputs), logits, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def model():
    inputs = keras.Input((2,))
    return keras.Model(inputs, keras.layers.Dense(3)(inputs))


def test_what_was_chosen_for_other_weights_or_options_is_not_taken(model, tmp_path, capsys):
    options = ReadingOptions("temperature", "fall", "f1")
    folder, weights = str(tmp_path), hash_of_weights(model)
    take = functools.partial(kept_reading, folder, options, model, CLASS_PER_STEP)
    assert kept_reading(folder, ReadingOptions(), model, CLASS_PER_STEP) == Reading()
    with pytest.raises(
        CheckpointError, match=r"calibration\.json is not there: give the same flags"
    ):
        take()
    found = Calibration(weights, dataclasses.asdict(options), temperature=2.0, threshold=0.25)
    found.write(folder)
    assert take() == Reading(2.0, 2, 0.25)
    dataclasses.replace(found, notes=["nothing is chosen"]).write(folder)
    take()
    assert "WARNING: nothing is chosen" in capsys.readouterr().out
    for other in (
        {"weights": "0" * 64},
        {"asked": dataclasses.asdict(ReadingOptions("temperature"))},
    ):
        dataclasses.replace(found, **other).write(folder)
        with pytest.raises(CheckpointError, match="is of other weights or options"):
            take()
    dataclasses.replace(found, temperature=-2.0).write(folder)
    with pytest.raises(CheckpointError, match=r"expected above 0\); remove it, and evaluate again"):
        take()
    model.layers[-1].bias.assign_add([0, 0, 1])
    assert hash_of_weights(model) != weights


def test_where_nothing_may_be_chosen_that_is_kept_and_what_was_before_is_taken(
    model, tmp_path, capsys
):
    steps = SimpleNamespace(task=Task(CLASS_PER_STEP), with_task=lambda task: task.reading)
    options, problem = ReadingOptions("temperature"), "the dataset is not the one"
    choose = functools.partial(
        calibrated, steps, model, None, run_dir=str(tmp_path), fingerprint="f"
    )
    assert choose(ReadingOptions(), problem="") == (steps, None)
    assert not (tmp_path / "calibration.json").exists()
    reading, found = choose(options, problem=problem)
    assert reading == Reading()
    assert "WARNING: --calibrate and --decide_by choose nothing: the dataset is" in (
        capsys.readouterr().out
    )
    dataclasses.replace(found, temperature=3.0, notes=[]).write(str(tmp_path))
    assert choose(options, problem=problem)[0] == Reading(3.0)
    assert choose(ReadingOptions("temperature", "fall", "f1"), problem="")[0] == Reading()
    assert "choose nothing: there is no validation split" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, ""),
        ({"other_data": "toy-2"}, "the dataset is not the one of the training"),
        ({"split": "test"}, "split 'test' is validated on, and trained on or tested on as well"),
        ({"split": "", "others": ("train", "")}, ""),
        ({"split": "train"}, "split 'train' is validated on, and trained on or tested on as well"),
        ({"seen": {"groups": 1, "records": 0}}, ""),
        ({"seen": {"groups": 1, "records": 2}}, "was trained on records of split 'validation'"),
    ],
)
def test_nothing_is_chosen_on_records_of_training_or_test(given, said):
    known = {"split": "validation", "others": ("train", "test"), "seen": {}}
    found = not_to_choose_on(**{**known, "other_data": "", **given})
    assert said in found
    assert bool(said) == bool(found)


def test_a_table_of_predictions_has_the_classes_that_are_stated():
    output = np.float32([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [np.nan] * 3])
    rows = [
        Row(i, str(i), str(i), 1, output[i : i + 1], answer)
        for i, answer in enumerate((np.int32([2]), None, np.int32([-1])))
    ]
    assert columns_of(rows, CLASS_PER_RECORD)["prediction"] == ["fall", "move", None]
    steps = [Row(0, "a", "a", 3, output, np.int32([2, 2, -1]))]
    columns = columns_of(steps, CLASS_PER_STEP)
    assert (columns["prediction"], columns["share_fall"]) == (["fall"], [1])


@pytest.mark.parametrize(
    ("options", "label", "activation", "said"),
    [
        ({"decide_by": "f1"}, "class", "softmax", "--decide_by=f1 needs --positive_class; give"),
        ({"positive_class": "fall"}, "class", "softmax", "--positive_class=fall needs --decide_by"),
        ({**_FALL, "decide_by": "f2"}, "class", "softmax", "expected f1, specificity:SHARE or"),
        ({**_FALL, "decide_by": "sensitivity:95"}, "class", "softmax", "a share up to 1"),
        ({**_FALL, "positive_class": "fal"}, "class", "softmax", "did you mean fall?"),
        ({"calibrate": "temperature"}, "class", "sigmoid", "=softmax, got sigmoid"),
        ({"calibrate": "temperature"}, "value", "softmax", "is for classes, the labels are values"),
        (_FALL, "value", "softmax", "--decide_by=f1 is for classes, the labels are values"),
    ],
)
def test_what_makes_no_sense_is_refused(options, label, activation, said):
    label = CLASS_PER_STEP if label == "class" else VALUE_PER_STEP
    with pytest.raises(UsageError, match=re.escape(said)):
        ReadingOptions(**options).require_suitable(label, activation)

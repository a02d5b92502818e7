"""Temperature and threshold from the validation split to the files of a run, its predictions and
exports."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from tests.datasets import CLASS_PER_RECORD, CLASS_PER_STEP, VALUE_PER_STEP, toy_dataset
from tests.trainer.in_process import run_trainer
from tests.trainer.restored import restore
from trainer.evaluation.temperature import fit_temperature

_MODEL = ("--model=signal", "--conv_filters=", "--conv_strides=", "--rnn_cell=none")
_TRAINING = ("--num_buckets=1", "--epochs=2", "--learning_rate=0.5", "--noreport")
_ASKED = ("--calibrate=temperature", "--positive_class=fall", "--decide_by=sensitivity:0.8")
_SIZES = {"train": 12, "validation": 16, "test": 9}


def _json(run, name):
    return json.loads((run / name).read_text())


@pytest.fixture(scope="module", params=[CLASS_PER_RECORD, CLASS_PER_STEP], ids=lambda x: x.per)
def run(request, tmp_path_factory):
    """Folder of a run, trained and evaluated without options, then evaluated with them."""
    folder = tmp_path_factory.mktemp("calibrated")
    dataset, _ = toy_dataset(folder, label=request.param, sizes=_SIZES)
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
    table, names = pq.read_table(written).to_pydict(), np.array(["rest", "move", "fall"])
    if (tmp_path / "p.npz").exists():
        with np.load(tmp_path / "p.npz") as steps:
            np.testing.assert_allclose(steps["output"], expected, atol=1e-6)
        parts = np.split(answer, np.cumsum(lengths)[:-1])
        shares = [[np.mean(part == number) for number in range(3)] for part in parts]
        found = np.stack([table[f"share_{name}"] for name in names], 1)
        np.testing.assert_allclose(found, shares, atol=1e-6)
    else:
        assert table["prediction"] == names[answer].tolist()
        np.testing.assert_allclose(table["probability_fall"], expected[:, 2], atol=1e-6)
    assert run_trainer("--mode=export", *places) == 0
    plain, rng = restore(str(run)), np.random.default_rng(0)
    inputs = {
        "signal": rng.normal(size=(20, 8, 3)).astype(np.float32),
        "lengths": np.full(20, 8, np.int32),
    }
    temperature = _json(run, "calibration.json")["temperature"]
    threshold = _json(run, "calibration.json")["threshold"]
    logits = plain.model(inputs, training=False) / temperature
    served = tf.saved_model.load(str(run / "export" / "saved_model")).serve(*inputs.values())
    np.testing.assert_allclose(served["probabilities"], tf.nn.softmax(logits), atol=1e-6)
    is_fall = served["probabilities"][..., 2] >= np.float32(threshold)
    np.testing.assert_array_equal(served["class_index"] == 2, is_fall)
    kept = tf.keras.models.load_model(run / "export" / "model.keras")
    np.testing.assert_allclose(kept(inputs), logits, rtol=1e-5, atol=1e-5)


def test_what_was_chosen_for_other_weights_or_options_is_not_taken(run, capsys):
    kept = (run / "calibration.json").read_text()
    predict = ("--mode=predict", f"--run_dir={run}", f"--dataset={run.parent}/toy/1.0.0")
    assert run_trainer(*predict, "--calibrate=temperature") == 1
    assert "is of other weights or options: give the same flags" in capsys.readouterr().err
    (run / "calibration.json").write_text(kept.replace('"weights": "', '"weights": "0'))
    assert run_trainer(*predict, *_ASKED) == 1
    assert "is of other weights or options" in capsys.readouterr().err
    (run / "calibration.json").write_text(kept.replace('"temperature": ', '"temperature": -'))
    assert run_trainer(*predict, *_ASKED) == 1
    assert "expected above 0); remove it, and evaluate again" in capsys.readouterr().err
    (run / "calibration.json").write_text(kept)


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--validation_split=", "there is no validation split"),
        ("--validation_split=test", "split 'test' is validated on, and trained on or tested on"),
        ("--validation_split=train", "split 'train' is validated on, and trained on or tested on"),
        ("--train_split=validation", "split 'validation' is validated on, and trained on"),
        ("other data", "the dataset is not the one of the training"),
    ],
)
@pytest.mark.parametrize("run", [CLASS_PER_RECORD], indirect=True, ids=["record"])
def test_nothing_is_chosen_on_records_of_training_or_test(run, flag, said, tmp_path, capsys):
    kept = (run / "calibration.json").read_bytes()
    data = run.parent / "toy/1.0.0"
    if flag == "other data":
        data = toy_dataset(tmp_path, label=CLASS_PER_RECORD, sizes=_SIZES, seed=9)[0].path
        flag = "--noreport"
    evaluate = ("--mode=evaluate", f"--dataset={data}", f"--run_dir={run}", "--noreport")
    try:  # What was chosen for these weights and options before is taken, whatever the data.
        assert run_trainer(*evaluate, *_ASKED, flag) == 0
        assert "temperature " in capsys.readouterr().out
        assert (run / "calibration.json").read_bytes() == kept
        assert run_trainer(*evaluate, "--calibrate=temperature", flag) == 0
        assert f"choose nothing: {said}" in capsys.readouterr().out
        found = _json(run, "calibration.json")
        assert (found["temperature"], found["threshold"]) == (1, None)
        assert found["split"] == ""
    finally:
        (run / "calibration.json").write_bytes(kept)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--decide_by=f1"], "--decide_by=f1 needs --positive_class; give both or neither"),
        (["--positive_class=fall"], "--positive_class=fall needs --decide_by"),
        (["--decide_by=f2", "--positive_class=fall"], "expected f1, specificity:SHARE or"),
        (["--decide_by=f1", "--positive_class=fal"], "did you mean fall?"),
        (["--calibrate=temperature", "--class_activation=sigmoid"], "=softmax, got sigmoid"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, flags, said, capsys):
    dataset, _ = toy_dataset(tmp_path, label=CLASS_PER_RECORD, sizes=_SIZES)
    places = (f"--dataset={dataset.path}", f"--run_dir={tmp_path}/run")
    assert run_trainer(*places, *_MODEL, *_TRAINING, *flags) == 2
    assert said in capsys.readouterr().err


def test_values_have_no_probabilities(tmp_path, capsys):
    dataset, _ = toy_dataset(tmp_path, label=VALUE_PER_STEP, sizes=_SIZES)
    places = (f"--dataset={dataset.path}", f"--run_dir={tmp_path}/run")
    assert run_trainer(*places, *_MODEL, *_TRAINING, "--calibrate=temperature") == 2
    assert "--calibrate=temperature is for classes, the labels are values" in (
        capsys.readouterr().err
    )

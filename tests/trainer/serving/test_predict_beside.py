"""Frames with numbers beside them, from a folder to answers by every way there is."""

import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipeline.batches.keras_batches import keras_batches
from pipeline.conversion.convert import main as convert
from tests.trainer.in_process import run_trainer, train
from tests.trainer.restored import run_inference
from tfrecords_schema import DatasetError, open_dataset
from trainer import Run
from trainer.check_model import main as check_model
from trainer.evaluation.predictions import Predictions
from trainer.runs.run_folder import LearntFrom

_MODEL = (
    "--model=video", "--video_filters=3", "--time_filters=4", "--ensemble=1", "--epochs=1",
    "--crop=0.3", "--notensorboard", "--noreport",
)  # fmt: skip
_BESIDE = "--beside_key=imu,age"


def _write(folder, number, width=2):
    rng, steps = np.random.default_rng(number), 1 + number % 4
    frames = rng.integers(0, 256, (steps, 6, 8, 3), dtype=np.uint8)
    arrays = {"imu": rng.normal(5, 3, (2 * steps, width)), "age": number}
    (folder / f"{number:02d}").mkdir()
    for step, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{number:02d}" / f"{step}.png")
    fields = {"age": number, "kind": "ab"[number % 2]}
    (folder / f"{number:02d}" / "annotation.json").write_text(json.dumps(fields))
    np.savez(folder / f"{number:02d}.npz", imu=arrays["imu"])
    return {"frames": frames, **arrays}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Recordings, their dataset and a run on it; and each recording as arrays."""
    folder = tmp_path_factory.mktemp("beside")
    (folder / "recordings").mkdir()
    arrays = {f"{number:02d}": _write(folder / "recordings", number) for number in range(12)}
    flags = (
        "--source=image_folders",
        "--label_key=kind",
        "--splits=train=6,validation=2,test=rest",
    )
    places = (f"--input_dir={folder / 'recordings'}", f"--output_dir={folder}")
    assert convert([*flags, *places, "--name=both", _BESIDE]) == 0
    train(f"{folder}/both/1.0.0", folder / "run", model=_MODEL)
    return folder, arrays


def test_a_folder_and_arrays_are_predicted_as_the_evaluation_did(trained):
    folder, arrays = trained
    dataset, run = open_dataset(f"{folder}/both/1.0.0"), Run(folder / "run")
    assert LearntFrom.read(run.path) == LearntFrom.of(dataset)
    found = {row.id: row for row in run.predict(folder / "recordings")}
    assert sorted(found) == sorted(arrays)
    test = Predictions.read(run.path, "test")
    ids = [dataset.split("test").ids()[row] for row in test.record]
    for name, expected in zip(ids, test.prediction, strict=True):
        np.testing.assert_allclose(found[name].output, expected, rtol=1e-5)
    for name, row in zip(arrays, run.predict([*arrays.values()]), strict=True):
        np.testing.assert_allclose(row.output, found[name].output, rtol=1e-5)
    first = arrays["00"]
    other = run.predict([{**first, "age": 99}])[0].output
    assert np.abs(other - found["00"].output).max() > 1e-4


def test_the_saved_model_takes_them_as_one_more_input(trained):
    folder, arrays = trained
    run = Run(folder / "run")
    served = tf.saved_model.load(f"{run.export()}/saved_model").signatures["serving_default"]
    names = ("03", "02")
    frames, beside = np.zeros((2, 5, 6, 8, 3), np.uint8), np.ones((2, 5, 5), np.float32)
    for row, one in enumerate(map(arrays.get, names)):
        steps = len(one["frames"])
        frames[row, :steps] = one["frames"]
        beside[row, :steps, :4] = one["imu"].reshape(steps, 4)
        beside[row, :steps, 4] = one["age"]
    given = {"frames": frames, "beside": beside, "lengths": np.int32([4, 3])}
    answers = served(**{name: tf.constant(value) for name, value in given.items()})
    expected = run.predict([arrays[name] for name in names])
    for found, row in zip(answers["probabilities"].numpy(), expected, strict=True):
        np.testing.assert_allclose(found, row.output, rtol=1e-5)


def test_what_lacks_them_is_left_out_or_refused(trained, tmp_path, capsys):
    folder, arrays = trained
    for number, width in ((1, 2), (2, 2), (3, 3)):
        _write(tmp_path, number, width)
    (tmp_path / "02.npz").unlink()
    (row,) = Run(folder / "run").predict(tmp_path)
    said = " ".join(capsys.readouterr().out.split())
    assert row.id == "01"
    assert "left out 02: no numbers 'imu' (--beside_key)" in said
    assert "left out 03: beside each frame it has imu:0@0, imu:1@0, imu:2@0" in said
    assert "the model takes imu:0@0, imu:1@0, imu:0@1, imu:1@1, age" in said
    with pytest.raises(DatasetError, match="recording 0 has no imu, age; expected a dict"):
        Run(folder / "run").predict([{"frames": arrays["00"]["frames"]}])
    with pytest.raises(DatasetError, match="recording 0 has no frames, imu, age"):
        Run(folder / "run").predict([arrays["00"]["frames"]])
    flags = ("--source=image_folders", "--label_key=kind", "--splits=test=1", "--name=alone")
    assert (
        convert([*flags, f"--input_dir={folder / 'recordings'}", f"--output_dir={tmp_path}"]) == 0
    )
    with pytest.raises(
        DatasetError, match=r"holds frames uint8 \[time, 6, 8, 3\], the model takes"
    ):
        run_inference(
            str(folder / "run"), mode="predict", dataset=f"{tmp_path}/alone/1.0.0",
            output=tmp_path / "p.csv",
        )  # fmt: skip


def test_models_that_take_frames_alone_are_refused(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("trainer.models.video.Video.joins_beside", False)
    path = f"{trained[0]}/both/1.0.0"
    assert run_trainer(f"--dataset={path}", f"--run_dir={tmp_path}", *_MODEL) != 0
    said = " ".join(capsys.readouterr().err.split())
    assert "--model=video takes frames alone, and the dataset has numbers beside them" in said
    assert "choose from frames, or convert without --beside_key" in said


def test_models_of_others_get_them(trained, capsys):
    path = f"{trained[0]}/both/1.0.0"
    model = "--model=tests.trainer.models.own_models:beside"
    assert check_model(["--check_replicas=0", f"--dataset={path}", model]) == 0
    assert "FAILS" not in capsys.readouterr().out
    inputs, _, _ = next(iter(keras_batches(open_dataset(path), "train", shuffle=False)))
    assert {*inputs} == {"frames", "beside", "lengths"}

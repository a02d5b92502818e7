"""The head's bias before the first step, against the mean of all valid labels."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from pipeline.batches.plan import BatchOptions
from tests.datasets import random_records, write_dataset
from tests.trainer.in_process import run_trainer
from tfrecords_schema import InputSpec, LabelSpec, RecordSchema
from trainer.data.split_data import SplitData
from trainer.models.family import ChosenModel, DataSpec, families
from trainer.models.forecaster import ForecastOptions
from trainer.models.frames import FrameModelOptions
from trainer.models.signal import SignalModelOptions
from trainer.training.initial_bias import start_at_mean_label

_SIGNAL = InputSpec("signal", "float32", (3,))
_FRAMES = InputSpec("frames", "uint8", (6, 6, 3))
_OPTIONS = {
    SignalModelOptions: SignalModelOptions(conv_filters=(), conv_strides=(), rnn_units=(2,)),
    FrameModelOptions: FrameModelOptions(),
    ForecastOptions: ForecastOptions(),
}


def _started(folder, name, spec, label):
    schema = RecordSchema(spec, label)
    records = random_records([3, 1, 7, 4, 2], schema, prefix="a")
    if spec.kind == "frames":
        records = [dataclasses.replace(r, data=_encoded(r.data)) for r in records]
    dataset = write_dataset(folder, {"train": records}, schema)
    train = SplitData(dataset, "train", BatchOptions(batch_size=2), label=label)
    family = families()[name]
    chosen = ChosenModel(family, tuple(_OPTIONS[kind] for kind in family.options))
    model = chosen.build(DataSpec(spec, label, None)).full
    start_at_mean_label(model, train, train.plan())
    return records, {v.path: v.numpy() for v in model.trainable_variables}["head/bias"]


def _encoded(frames):
    return [tf.io.encode_png(frame).numpy() for frame in frames]


@pytest.mark.parametrize(
    ("name", "spec", "label"),
    [
        ("signal", _SIGNAL, LabelSpec("record", "value", "float32", ())),
        ("signal", _SIGNAL, LabelSpec("step", "value", "float32", (2, 2))),
        ("sequence", _SIGNAL, LabelSpec("sequence", "value", "int64", (2,))),
        ("frames", _FRAMES, LabelSpec("step", "value", "float32", (2,))),
    ],
    ids=["record", "step", "sequence", "frames"],
)
def test_a_model_of_values_starts_at_their_mean(name, spec, label, tmp_path):
    records, bias = _started(tmp_path, name, spec, label)
    labels = [np.reshape(record.label, (-1, len(bias))) for record in records]
    mean = np.concatenate(labels).mean(0)
    assert np.abs(mean).min() > 1e-3
    np.testing.assert_allclose(bias, mean, rtol=1e-5)


def test_a_model_of_classes_starts_at_nothing(tmp_path):
    label = LabelSpec("step", "class", class_names=("a", "b"))
    assert not _started(tmp_path, "signal", _SIGNAL, label)[1].any()


def test_a_training_starts_there(tmp_path):
    schema = RecordSchema(_SIGNAL, LabelSpec("record", "value", "float32", ()))
    records = [
        dataclasses.replace(record, label=record.label + 50)
        for record in random_records([3, 1, 7, 4, 2], schema)
    ]
    dataset = write_dataset(tmp_path, {"train": records}, schema)
    model = ["--conv_filters=", "--conv_strides=", "--rnn_cell=none", "--learning_rate=1e-30"]
    run = [f"--dataset={dataset.path}", f"--run_dir={tmp_path}/run", "--epochs=1"]
    assert run_trainer(*run, *model, "--noreport", "--notensorboard") == 0
    line = json.loads((tmp_path / "run" / "metrics.jsonl").read_text())
    assert line["train"]["rmse"] < 10


def test_a_network_of_the_rules_starts_in_the_unit_of_its_labels(tmp_path):
    label = LabelSpec("record", "value", "float32", (2,))
    schema = RecordSchema(_SIGNAL, label)
    records = [
        dataclasses.replace(record, label=1000 * record.label + np.float32([500, -20]))
        for record in random_records([3, 1, 7, 4, 2], schema, prefix="a")
    ]
    dataset = write_dataset(tmp_path, {"train": records}, schema)
    train = SplitData(dataset, "train", BatchOptions(batch_size=2), label=label)
    family = families()["fcn"]
    options = tuple(kind() for kind in family.options)
    model = ChosenModel(family, options).build(DataSpec(_SIGNAL, label, None)).full
    start_at_mean_label(model, train, train.plan())
    labels = np.stack([record.label for record in records])
    scale = model.get_layer("network").get_layer("label_scale")
    np.testing.assert_allclose(scale.mean, labels.mean(0), rtol=1e-5)
    np.testing.assert_allclose(scale.deviation, labels.std(0), rtol=1e-5)
    assert not model.get_layer("network").get_layer("head").bias.numpy().any()

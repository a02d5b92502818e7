"""Exports: the SavedModel alone in a bare process, and the Keras file with our layers."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.datasets import CLASS_PER_RECORD, CLASS_PER_STEP, VALUE_PER_STEP
from tests.repository import REPOSITORY
from tfrecords_schema import InputSpec, LabelSpec, Statistics
from trainer.models.family import ChosenModel, DataSpec, families
from trainer.models.forecaster import ForecastOptions
from trainer.models.frames import FrameModelOptions
from trainer.models.signal import SignalModelOptions
from trainer.serving import export as export_module
from trainer.serving.export import export
from trainer.serving.serving import Serving
from trainer.step.forecast import forecast_label
from trainer.step.task import Task

_SIGNAL = InputSpec("signal", "int16", (12, 2))
_STATISTICS = Statistics((3.0, -200.0), (50.0, 900.0), (-999.0, -999.0), (999.0, 999.0), 10)
# Lengths no training saw; a row without steps; more padding than any of them needs.
_LENGTHS = np.array([37, 0, 1, 5], np.int32)

# Serves what is in each folder without this project, installed or not: its packages cannot be
# imported, nor can Beam. Then it loads the Keras file with our layers, and no more of ours.
_BARE = """
import sys
import numpy as np
absent = ("trainer", "pipeline", "tfrecords_schema", "apache_beam")
sys.modules.update(dict.fromkeys(absent))
import tensorflow as tf
repository, *folders = sys.argv[1:]
batches = {}
for folder in folders:
    with np.load(folder + "/inputs.npz") as stored:
        inputs = batches[folder] = {name: tf.constant(stored[name]) for name in stored.files}
    loaded = tf.saved_model.load(folder + "/export/saved_model")
    served = loaded.signatures["serving_default"](**inputs)
    served = {key: value.numpy() for key, value in served.items()}
    names = loaded.class_names()["class_names"].numpy().astype(str)
    np.savez(folder + "/outputs.npz", class_names=names, **served)
for name in absent:
    del sys.modules[name]
sys.path.insert(0, repository)
import trainer.layers
import keras
assert "trainer.models" not in sys.modules
for folder, inputs in batches.items():
    model = keras.saving.load_model(folder + "/export/model.keras")
    np.save(folder + "/scores.npy", model(inputs, training=False))
"""


def _serving(name="signal", input_spec=_SIGNAL, label=CLASS_PER_RECORD, activation="softmax", **of):
    keras.utils.set_random_seed(1)
    signal = {"conv_filters": (3,), "conv_strides": (2,), "conv_kernel_samples": 3}
    signal = {**signal, "rnn_units": (4, 4), **of.pop("signal", {})}
    given = {
        SignalModelOptions: SignalModelOptions(**signal, normalization="training_split"),
        FrameModelOptions: FrameModelOptions(**of.pop("frames", {})),
        ForecastOptions: ForecastOptions(**of.pop("forecast", {})),
    }
    family = families()[name]
    chosen = ChosenModel(family, tuple(given[kind] for kind in family.options))
    model = chosen.build(DataSpec(input_spec, label, _STATISTICS)).full
    for variable in model.trainable_variables:  # Biases and offsets start at zero; none may hide.
        variable.assign_add(tf.random.stateless_normal(variable.shape, [1, 2], 0.0, 0.3))
    return Serving(model, Task(label, activation=activation))


def _inputs(input_spec=_SIGNAL):
    rng = np.random.default_rng(0)
    low, high = (0, 256) if input_spec.dtype == "uint8" else (-900, 900)
    shape = (len(_LENGTHS), 40, *input_spec.step_shape)
    padded = rng.integers(low, high, shape).astype(input_spec.dtype)
    return {input_spec.kind: padded, "lengths": _LENGTHS}


_LABELS = (CLASS_PER_RECORD, CLASS_PER_STEP)


@pytest.fixture(scope="module")
def served_bare(tmp_path_factory):
    """By what has a label: scores of the model and of its Keras file; what is served without us."""
    folders, scores = {}, {}
    for label in _LABELS:
        folder = folders[label.per] = tmp_path_factory.mktemp(label.per)
        serving, inputs = _serving(label=label), _inputs()
        export(serving, str(folder / "export"))
        np.savez(folder / "inputs.npz", **inputs)
        scores[label.per] = serving.model(inputs, training=False).numpy()
    command = [sys.executable, "-I", "-c", _BARE, str(REPOSITORY), *map(str, folders.values())]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return {
        per: (scores[per], np.load(at / "scores.npy"), dict(np.load(at / "outputs.npz")))
        for per, at in folders.items()
    }


@pytest.mark.parametrize("label", _LABELS, ids=lambda label: label.per)
def test_the_saved_model_gives_the_same_numbers_without_this_project(label, served_bare):
    scores, _, found = served_bare[label.per]
    expected, valid = tf.nn.softmax(scores).numpy(), _LENGTHS > 0
    if label.per == "step":
        valid = np.arange(40) < _LENGTHS[:, None]
    assert found["probabilities"].dtype == np.float32
    np.testing.assert_allclose(found["probabilities"][valid], expected[valid], atol=1e-6)
    np.testing.assert_allclose(found["probabilities"][valid].sum(-1), 1, atol=1e-6)
    assert not found["probabilities"][~valid].any()
    np.testing.assert_array_equal(found["class_index"][valid], expected[valid].argmax(-1))
    assert (found["class_index"][~valid] == -1).all()
    assert found["class_names"].tolist() == list(label.class_names)


def test_padding_changes_nothing_that_is_served(tmp_path):
    export(_serving(label=CLASS_PER_STEP), str(tmp_path))
    loaded, inputs = tf.saved_model.load(str(tmp_path / "saved_model")), _inputs()
    expected = loaded.serve(inputs["signal"], inputs["lengths"])["probabilities"]
    for row, length in enumerate(_LENGTHS.tolist()):
        if length:
            alone = inputs["signal"][row : row + 1, :length]
            found = loaded.serve(alone, np.array([length], np.int32))["probabilities"]
            np.testing.assert_allclose(found[0], expected[row, :length], atol=1e-6)


def test_the_signature_takes_the_sources_dtype_and_any_batch_and_time(tmp_path):
    export(_serving(), str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path / "saved_model"))
    specs = loaded.signatures["serving_default"].structured_input_signature[1]
    assert specs["signal"].dtype == tf.int16
    assert specs["signal"].shape.as_list() == [None, None, 12, 2]
    assert specs["lengths"].dtype == tf.int32


def _reads(loaded):
    (function,) = loaded.serve.concrete_functions
    return sum(operation.type == "ReadVariableOp" for operation in function.graph.get_operations())


@pytest.mark.parametrize("most", [None, 0])
def test_weights_are_constants_unless_they_are_too_many(most, tmp_path, monkeypatch):
    if most is not None:
        monkeypatch.setattr(export_module, "_MOST_CONSTANT_BYTES", most)
    serving, inputs = _serving(), _inputs()
    export(serving, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path / "saved_model"))
    assert (_reads(loaded) == 0) == (most is None)
    expected = serving.answer(inputs)
    serving.model.set_weights([0 * x for x in serving.model.get_weights()])
    served = loaded.serve(*inputs.values())
    np.testing.assert_allclose(served["probabilities"], expected["probabilities"], atol=1e-6)


def test_sigmoid_scores_and_values_are_served(tmp_path):
    serving, inputs = _serving(activation="sigmoid"), _inputs()
    export(serving, str(tmp_path / "a"))
    loaded = tf.saved_model.load(str(tmp_path / "a/saved_model"))
    served = loaded.serve(*inputs.values())
    expected = tf.sigmoid(serving.model(inputs, training=False))
    np.testing.assert_allclose(served["probabilities"][0], expected[0], atol=1e-6)
    serving = _serving(label=VALUE_PER_STEP)
    export(serving, str(tmp_path / "b"))
    loaded = tf.saved_model.load(str(tmp_path / "b/saved_model"))
    served = loaded.serve(*inputs.values())
    assert served.keys() == {"values"}
    expected = serving.model(inputs, training=False)
    np.testing.assert_allclose(served["values"][0, :37], expected[0, :37], rtol=1e-6, atol=1e-6)
    assert loaded.class_names()["class_names"].shape == [0]


@pytest.mark.parametrize("label", _LABELS, ids=lambda label: label.per)
def test_the_keras_file_loads_with_our_layers_alone(label, served_bare):
    expected, found, _ = served_bare[label.per]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("forcing", [0.0, 0.5])
def test_a_forecaster_is_served_without_the_steps_it_forecasts(forcing, tmp_path):
    forecast = {"horizon_steps": 3, "teacher_forcing": forcing}
    spec = InputSpec("signal", "float32", (2,))
    label = forecast_label(spec)
    serving = _serving("forecaster", spec, label, forecast=forecast, signal={"rnn_cell": "lstm"})
    export(serving, str(tmp_path))
    inputs = _inputs(spec)
    loaded = tf.saved_model.load(str(tmp_path / "saved_model"))
    served = loaded.serve(*inputs.values())
    ahead = {"label": np.zeros((4, 3, 2), np.float32)} if forcing else {}
    expected = serving.model({**inputs, **ahead}, training=False)
    assert served["values"].shape == [4, 3, 2]
    np.testing.assert_allclose(served["values"][0], expected[0], rtol=1e-5)
    assert not served["values"][1].numpy().any()
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded({**inputs, **ahead})[0], expected[0], rtol=1e-5)


@pytest.mark.parametrize(
    "frames",
    [
        {"frame_conv_filters": (2,)},
        {"backbone": "MobileNetV2", "trainable_backbone_layers": 9, "frame_pooling": "average"},
    ],
    ids=["convolutions", "backbone"],
)
def test_a_model_of_frames_is_served(frames, tmp_path):
    spec, label = (
        InputSpec("frames", "uint8", (32, 32, 3)),
        LabelSpec("record", "class", class_names=("a", "b")),
    )
    serving = _serving("frames", spec, label, frames=frames)
    export(serving, str(tmp_path))
    inputs = _inputs(spec)
    loaded = tf.saved_model.load(str(tmp_path / "saved_model"))
    served = loaded.serve(*inputs.values())
    expected = tf.nn.softmax(serving.model(inputs, training=False))
    np.testing.assert_allclose(served["probabilities"][0], expected[0], atol=1e-6)
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(inputs), serving.model(inputs), atol=1e-6)


@pytest.mark.parametrize("label", [CLASS_PER_RECORD, CLASS_PER_STEP], ids=lambda label: label.per)
def test_no_class_is_served_where_the_answer_is_not_finite(label, tmp_path):
    spec = InputSpec("signal", "float32", (12, 2))
    export(_serving(input_spec=spec, label=label), str(tmp_path))
    loaded, inputs = tf.saved_model.load(str(tmp_path / "saved_model")), _inputs(spec)
    expected = loaded.serve(*inputs.values())["class_index"].numpy()
    inputs["signal"][0, 5] = np.nan
    served = {name: value.numpy() for name, value in loaded.serve(*inputs.values()).items()}
    known = np.isfinite(served["probabilities"]).all(-1)
    assert not known[0].all()
    np.testing.assert_array_equal(served["class_index"][~known], -1)
    np.testing.assert_array_equal(served["class_index"][1:], expected[1:])


@pytest.mark.parametrize(("length", "message"), [(41, "more steps than the time"), (-1, "below 0")])
def test_lengths_that_cannot_be_are_refused(length, message, tmp_path):
    export(_serving(), str(tmp_path))
    loaded, inputs = tf.saved_model.load(str(tmp_path / "saved_model")), _inputs()
    lengths = np.array([length, 0, 1, 5], np.int32)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        loaded.serve(inputs["signal"], lengths)

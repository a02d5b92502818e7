"""Records whose last step is filled up: only what was recorded counts, in every family."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.datasets import CLASS_PER_RECORD, CLASS_PER_STEP, VALUE_PER_RECORD
from tfrecords_schema import InputSpec, Statistics
from tfrecords_schema.errors import UserError
from trainer.models.family import ChosenModel, DataSpec, families
from trainer.models.forecaster import ForecastOptions
from trainer.models.parts.network import NetworkOptions
from trainer.models.parts.random_convolutions import RandomConvolutionOptions
from trainer.models.signal import SignalModelOptions
from trainer.serving.export import export
from trainer.serving.serving import Serving
from trainer.step.task import Task, inputs_of

_SAMPLES = 12
_SPEC = InputSpec("signal", "int16", (_SAMPLES, 1), has_padding=True)
_STATISTICS = Statistics((500.0,), (20.0,), (400.0,), (600.0,), 10)
_LENGTHS, _PADDING = np.array([3, 0, 1, 2], np.int32), np.array([7, 0, 2, 0], np.int32)
_SIGNAL = {"conv_filters": (3,), "conv_strides": (2,), "conv_kernel_samples": 3, "rnn_units": (4,)}
_LOG_MEL = {"front_end": "log_mel", "frame_samples": 8, "hop_samples": 4, "mel_bands": 4}
_CASES = {
    "signal": ("signal", CLASS_PER_STEP, {}),
    "network": ("fcn", VALUE_PER_RECORD, {}),
    "network per step": ("fcn", CLASS_PER_STEP, {"patch_samples": 5}),
    "random per step": ("fcn", CLASS_PER_STEP, {"random_convolutions": True}),
    "spectrum": ("fcn", CLASS_PER_RECORD, _LOG_MEL),
}


def _model(family, label, spec=_SPEC, **options):
    keras.utils.set_random_seed(3)
    given = (
        (SignalModelOptions(**_SIGNAL, normalization="both"),)
        if family == "signal"
        else (
            NetworkOptions(width=4, normalization="both", **options),
            RandomConvolutionOptions(1, 2)
            if "random_convolutions" in options
            else RandomConvolutionOptions(),
        )
    )
    return ChosenModel(families()[family], given).build(DataSpec(spec, label, _STATISTICS)).full


def _batch(tail):
    rng = np.random.default_rng(1)
    signal = rng.integers(450, 550, (len(_LENGTHS), 4 * _SAMPLES, 1)).astype(np.int16)
    recorded = _LENGTHS * _SAMPLES - _PADDING
    signal[np.arange(4 * _SAMPLES) >= recorded[:, None]] = tail
    signal = signal.reshape(len(_LENGTHS), 4, _SAMPLES, 1)
    return {"signal": signal, "lengths": _LENGTHS, "padding": _PADDING}


@pytest.mark.parametrize("case", _CASES)
def test_what_stands_in_the_tail_does_not_matter(case):
    family, label, options = _CASES[case]
    model = _model(family, label, **options)
    expected = model(_batch(0))
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(model(_batch(32_000)), expected, atol=1e-6)


@pytest.mark.parametrize("case", ["network", "spectrum"])
def test_networks_see_recorded_samples_alone(case):
    """The same as on the samples themselves, each a step of one."""
    family, label, options = _CASES[case]
    model = _model(family, label, **options)
    of_samples = _model(family, label, InputSpec("signal", "int16", (1,)), **options)
    of_samples.set_weights(model.get_weights())
    batch = _batch(0)
    recorded = (_LENGTHS * _SAMPLES - _PADDING).astype(np.int32)
    samples = {"signal": batch["signal"].reshape(len(_LENGTHS), -1, 1), "lengths": recorded}
    np.testing.assert_allclose(model(batch), of_samples(samples), rtol=1e-4, atol=1e-5)


def test_a_batch_of_records_without_padding_need_not_say_so():
    model = _model(*_CASES["signal"][:2])
    batch = _batch(0)
    names = [tensor.name for tensor in model.inputs]
    given = inputs_of({key: tf.constant(batch[key]) for key in ("signal", "lengths")}, names)
    whole = {**batch, "padding": np.zeros_like(_PADDING)}
    np.testing.assert_array_equal(model(given), model(whole))


def test_the_saved_model_takes_the_padding(tmp_path):
    model, batch = _model(*_CASES["signal"][:2]), _batch(0)
    export(Serving(model, Task(CLASS_PER_STEP)), str(tmp_path))
    served = tf.saved_model.load(str(tmp_path / "saved_model")).signatures["serving_default"]
    found = served(**{key: tf.constant(value) for key, value in batch.items()})["probabilities"]
    expected = tf.nn.softmax(model(batch))
    valid = np.arange(4) < _LENGTHS[:, None]
    np.testing.assert_allclose(found[valid], expected[valid], atol=1e-6)


def test_a_forecast_of_a_filled_step_is_refused():
    chosen = ChosenModel(families()["forecaster"], (SignalModelOptions(), ForecastOptions()))
    with pytest.raises(UserError, match="convert with --tail=drop"):
        chosen.build(DataSpec(_SPEC, chosen.label(_SPEC, None), _STATISTICS))

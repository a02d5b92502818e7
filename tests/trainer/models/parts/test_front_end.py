"""What a network sees of a log mel spectrum, against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfrecords_schema import InputSpec, LabelSpec, Statistics
from trainer import layers
from trainer.models.family import DataSpec
from trainer.models.parts.front_end import FrontEndOptions
from trainer.models.parts.network import network_inputs

_LENGTHS, _BANDS = [90, 0, 41], 6
_DATA = DataSpec(
    InputSpec("signal", "float32", (2,)), LabelSpec("record", "class", class_names=("a", "b")),
    Statistics((0, 0), (1, 1), (-9, -9), (9, 9), 99),
)  # fmt: skip


def _seen(kind, samples, normalization="record"):
    options = FrontEndOptions(
        normalization=normalization, front_end="log_mel", frame_samples=64, hop_samples=8,
        mel_bands=_BANDS, band_normalization=kind,
    )  # fmt: skip
    inputs, _, seen, scale = network_inputs(_DATA, options)
    assert scale.factor == 8
    padded = np.zeros([len(_LENGTHS), max(_LENGTHS), 2], np.float32)
    padded[0], padded[2, : _LENGTHS[2]] = np.split(samples, [_LENGTHS[0]])
    model = keras.Model(inputs, seen.rows)
    return model({"signal": tf.constant(padded), "lengths": tf.constant(_LENGTHS)}).numpy()


def _log_mel(record):
    record = (record - record.mean(0)) / record.std(0)
    mel = layers.LogMel(64, 8, _BANDS)
    rows, _ = mel(tf.constant(record, tf.float32), tf.constant([len(record)]))
    return rows.numpy().reshape(-1, 2, _BANDS).astype(np.float64)


@pytest.mark.parametrize(
    ("kind", "axes"), [("bands", [(0,)]), ("spectrum", [(0, 2)]), ("both", [(0,), (0, 2)])]
)
def test_bands_are_normalized_each_or_together_by_record_and_channel(kind, axes):
    samples = np.random.default_rng(0).normal(size=(sum(_LENGTHS), 2)) * [1, 30]
    found = _seen(kind, samples.astype(np.float32))
    expected = []
    for record in (samples[:90], samples[90:]):
        mel = _log_mel(record)
        parts = [(mel - mel.mean(a, keepdims=True)) / mel.std(a, keepdims=True) for a in axes]
        expected.append(np.concatenate([part.reshape(len(mel), -1) for part in parts], 1))
    np.testing.assert_allclose(found, np.concatenate(expected), atol=2e-4)


def test_channels_seen_twice_are_normalized_each():
    samples = np.random.default_rng(0).normal(size=(sum(_LENGTHS), 2)).astype(np.float32)
    found = _seen("spectrum", samples, "both")
    assert found.shape[1] == 4 * _BANDS
    np.testing.assert_allclose(found[:, : 2 * _BANDS], _seen("spectrum", samples), atol=1e-6)

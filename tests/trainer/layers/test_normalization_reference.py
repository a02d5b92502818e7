"""Normalization to 1e-5 of a deviation: of any dtype, offset, tail and length, against float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.datasets import CLASS_PER_RECORD
from tfrecords_schema import InputSpec, Statistics
from tfrecords_schema.errors import UserError
from tfrecords_schema.labels import SUPPORTED_DTYPES
from trainer.layers import LogMel, Normalization, pack_steps
from trainer.models.parts.normalization import normalize
from trainer.models.signal import SignalModelOptions, build_signal_model

_SAMPLES = 6
_LENGTHS = np.array([3, 0, 5, 1], np.int32)
_PADDING = np.array([4, 0, 0, 5], np.int32)
_OFFSETS = [0, 1e3, 1e6, 1e9]


def _fits(dtype, offset):
    if dtype == "bool":
        return not offset
    info = np.finfo(dtype) if dtype.startswith("float") else np.iinfo(dtype)
    return offset + 100 <= float(info.max)


_EACH = [
    (dtype, offset) for dtype in SUPPORTED_DTYPES for offset in _OFFSETS if _fits(dtype, offset)
]


def _signal(dtype, offset):
    """`[records, time, samples, 3]`, the last channel constant, zeros in the tails and beyond."""
    rng = np.random.default_rng(3)
    shape = (len(_LENGTHS), 7, _SAMPLES, 3)
    values = rng.integers(0, 2 if dtype == "bool" else 90, shape) + int(offset)
    values[..., 2] = 7 + int(offset) if dtype != "bool" else 1
    values = values.astype(dtype)
    samples = _recorded()
    values.reshape(len(_LENGTHS), -1, 3)[np.arange(7 * _SAMPLES) >= samples[:, None]] = 0
    return values


def _recorded():
    return np.maximum(_LENGTHS * _SAMPLES - _PADDING, 0)


def _rows(values):
    """The recorded samples of each record, `[samples, channels]` float64."""
    flat = values.reshape(len(values), -1, values.shape[-1])
    return [row[:count].astype(np.float64) for row, count in zip(flat, _recorded(), strict=True)]


def _reference(rows, kind):
    """Packed steps as NumPy normalizes the recorded samples; the tails are 0."""
    everything = np.concatenate(rows)
    found = []
    for row, length in zip(rows, _LENGTHS, strict=True):
        of = row if kind == "record" else everything
        if not length:
            continue
        deviation = of.std(axis=0)
        exact = (row - of.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
        tail = np.zeros((length * _SAMPLES - len(row), row.shape[1]))
        found.append(np.concatenate([exact, tail]).reshape(length, _SAMPLES, -1))
    return np.concatenate(found)


def _statistics(rows):
    values = np.concatenate(rows)
    parts = (values.mean(0), values.std(0), values.min(0), values.max(0))
    return Statistics(*(tuple(part.tolist()) for part in parts), count=len(values))


@pytest.mark.parametrize(("dtype", "offset"), _EACH)
def test_every_dtype_at_every_offset(dtype, offset):
    signal = _signal(dtype, offset)
    rows = _rows(signal)
    inputs = keras.Input((_SAMPLES, 3), dtype=dtype)
    of = keras.Input((), dtype="int32"), keras.Input((), dtype="int32")
    y = normalize(inputs, of[0], "both", 3, _statistics(rows), "normalize", of[1])
    model = keras.Model([inputs, *of], y)
    lengths, padding = tf.constant(_LENGTHS), tf.constant(_PADDING)
    given = [pack_steps(signal, lengths), lengths, padding]
    expected = np.concatenate([_reference(rows, "record"), _reference(rows, "split")], axis=-1)
    # In a graph, as constants that are subtracted one by one may be merged there.
    np.testing.assert_allclose(tf.function(model)(given), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_the_whole_range_of_wide_integers(dtype):
    info = np.iinfo(dtype)
    rng = np.random.default_rng(0)
    values = rng.integers(info.min, info.max, (50, 2), dtype, endpoint=True)
    values[:2] = [[info.min, info.max], [info.max, info.min]]
    exact = values.astype(np.float64)
    expected = (exact - exact.mean(0)) / exact.std(0)
    split = Normalization("training_split", exact.mean(0), exact.std(0))
    for layer in (Normalization("record"), split):
        found = layer(tf.constant(values), tf.constant([50]))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_a_record_of_nanoseconds_since_1970_keeps_its_digits():
    small = np.random.default_rng(0).integers(-40, 40, (200, 1))
    values = tf.constant(small + 1_700_000_000_000_000_000)
    found = Normalization("record")(values, tf.constant([200]))
    np.testing.assert_allclose(found, (small - small.mean()) / small.std(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("first", [0, 1_000_000])
def test_a_million_samples_after_an_odd_first_one(first):
    values = np.random.default_rng(0).uniform(1e6, 1e6 + 1, (1_000_000, 1)).astype(np.float32)
    values[0] = first
    exact = values.astype(np.float64)
    found = tf.function(Normalization("record"))(values, tf.constant([len(values)]))
    np.testing.assert_allclose(found, (exact - exact.mean()) / exact.std(), rtol=1e-5, atol=1e-5)


def test_a_spectrum_is_that_of_the_values_without_their_offset():
    wave = np.round(1e4 * np.sin(np.arange(400)[:, None] / 3)).astype(np.int64)
    lengths, spectrum = tf.constant([400]), LogMel(64, 32, 8, 1000)
    found, expected = (
        spectrum(Normalization("record")(values, lengths), lengths)[0]
        for values in (wave + 1_700_000_000, wave)
    )
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_what_floats_cannot_tell_apart_is_refused_where_nothing_is_subtracted():
    spec = InputSpec("signal", "int64", (1,))
    far = Statistics((1.7e9,), (14.2,), (1.7e9 - 20,), (1.7e9 + 20,), 100)
    options = {"conv_filters": (), "conv_strides": (), "rnn_units": (2,)}
    with pytest.raises(UserError, match=r"mean 1700000000 and deviation 14\.2, .* steps of 128"):
        build_signal_model(SignalModelOptions(**options), spec, CLASS_PER_RECORD, far)
    given = SignalModelOptions(**options, normalization="training_split")
    build_signal_model(given, spec, CLASS_PER_RECORD, far)

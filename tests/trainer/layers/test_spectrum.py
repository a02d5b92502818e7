"""The log of a mel spectrogram against its definition in NumPy, record by record."""

import numpy as np
import pytest
import tensorflow as tf

from trainer import layers

_LENGTHS = [37, 0, 1, 8, 90]


def _mel(hz):
    return 1127 * np.log(1 + np.asarray(hz) / 700)


def _bands(bands, frame, rate_hz):
    """`[frequencies, bands]`: triangles, evenly spaced on the mel scale; none takes the mean."""
    edges = np.linspace(_mel(0), _mel(rate_hz / 2), bands + 2)
    heights = np.zeros((frame // 2 + 1, bands))
    for number in range(1, frame // 2 + 1):
        place = _mel(number * rate_hz / frame)
        for band in range(bands):
            low, middle, high = edges[band : band + 3]
            rising, falling = (place - low) / (middle - low), (high - place) / (high - middle)
            heights[number, band] = max(0.0, min(rising, falling))
    return heights


def _by_loops(record, frame, hop, bands, rate_hz):
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(frame) / frame)
    rows = []
    for number in range(-(-len(record) // hop)):
        first = number * hop + (hop - frame) // 2
        row = []
        for channel in record.T:
            samples = [
                channel[i] if 0 <= i < len(channel) else 0 for i in range(first, first + frame)
            ]
            spectrum = np.abs(np.fft.rfft(samples * window)) ** 2 / np.sum(window**2)
            row.append(np.log(spectrum @ _bands(bands, frame, rate_hz) + 1e-6))
        rows.append(np.concatenate(row))
    return np.reshape(rows, (-1, record.shape[1] * bands))


@pytest.mark.parametrize(("frame", "hop"), [(16, 8), (16, 5), (8, 16), (32, 1)])
def test_equals_its_definition(frame, hop):
    rng = np.random.default_rng(0)
    records = [rng.normal(size=(n, 2)).astype(np.float32) for n in _LENGTHS]
    layer = layers.LogMel(frame, hop, 4, 8000)
    found, frames = layer(np.concatenate(records), tf.constant(_LENGTHS))
    expected = [_by_loops(record, frame, hop, 4, 8000) for record in records]
    np.testing.assert_array_equal(frames, [len(rows) for rows in expected])
    np.testing.assert_allclose(found, np.concatenate(expected), rtol=1e-3, atol=2e-4)
    assert layers.LogMel.from_config(layer.get_config()).get_config() == layer.get_config()


def test_of_no_samples_there_are_no_frames():
    for lengths in ([], [0, 0]):
        found, frames = layers.LogMel(8, 4, 3)(tf.zeros([0, 2]), tf.constant(lengths, tf.int32))
        assert found.shape == (0, 6)
        assert not np.any(frames)

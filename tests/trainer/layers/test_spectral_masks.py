"""Masks of spectra: stretches, of the stated size, that depend on seed, epoch and record alone."""

import functools

import numpy as np
import tensorflow as tf

from trainer import layers
from trainer.augmentation.augmentation import Draws

_BANDS = 10


def _masked(lengths, records, *, seed=0, epoch=0, training=True, frequency=0.3, frame=0.4):
    layer = layers.SpectralMasks(_BANDS, frequency, frame, name="masks")
    rows = tf.ones([sum(lengths), 2 * _BANDS])
    draws = functools.partial(Draws, seed, tf.constant(epoch), tf.constant(records))
    with layers.drawing(draws):
        found = tf.function(layer)(rows, tf.constant(lengths), training=training).numpy()
    return np.split(found, np.cumsum(lengths)[:-1])


def _stretches(is_out):
    return int(np.sum(np.diff(np.concatenate([[0], is_out.astype(int)])) == 1))


def test_whole_bands_and_frames_are_left_out_in_up_to_two_stretches_each():
    sizes = set()
    for record in _masked([20] * 40, range(40)):
        np.testing.assert_array_equal(record[:, :_BANDS], record[:, _BANDS:])
        kept_frames, kept_bands = record.any(1), record[:, :_BANDS].any(0)
        expected = np.tile(np.outer(kept_frames, kept_bands), [1, 2])
        np.testing.assert_array_equal(record, expected)
        if not record.any():
            continue
        assert _stretches(~kept_bands) <= 2
        assert _stretches(~kept_frames) <= 2
        assert (~kept_bands).sum() <= 6
        assert (~kept_frames).sum() <= 16
        sizes.add((int((~kept_bands).sum()), int((~kept_frames).sum())))
    assert len(sizes) > 10
    assert max(bands for bands, _ in sizes) > 3
    assert max(frames for _, frames in sizes) > 8


def test_they_are_the_record_s_in_any_batch_and_others_in_another_epoch():
    together = _masked([20, 7, 0, 33], [4, 9, 0, 2])
    alone = _masked([33], [2])
    np.testing.assert_array_equal(alone[0], together[3])
    assert np.any(_masked([33], [2], epoch=1)[0] != alone[0])
    assert np.any(_masked([33], [2], seed=1)[0] != alone[0])


def test_nothing_is_left_out_but_in_training_where_records_are_known():
    for record in _masked([5, 9], [0, 1], training=False, frequency=1, frame=1):
        assert record.all()
    layer = layers.SpectralMasks(_BANDS, 1.0, 1.0)
    assert layer(tf.ones([3, _BANDS]), tf.constant([3]), training=True).numpy().all()
    assert not np.concatenate(_masked([64] * 9, range(9), frequency=1, frame=1)).all()

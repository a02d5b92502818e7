"""Every augmentation of the room: what it draws depends on seed, epoch and record alone."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests.datasets import CLASS_PER_RECORD, CLASS_PER_STEP
from trainer.augmentation.augmentation import Draws, augmentations, augmented
from trainer.augmentation.crop import Crop
from trainer.augmentation.gain import Gain
from trainer.augmentation.masks import Masks
from trainer.augmentation.noise import Noise
from trainer.augmentation.pictures import Pictures
from trainer.augmentation.time_stretch import TimeStretch

_STEP, _RECORD = CLASS_PER_STEP, CLASS_PER_RECORD
_LENGTHS = [7, 0, 12, 1, 5]


def _switched_on(kind):
    """An augmentation with every strength at a half."""
    types = {field.name: type(field.default) for field in dataclasses.fields(kind)}
    values = {bool: True, float: 0.5, int: 4}
    return kind(**{name: values[found] for name, found in types.items()})


def _batch(kind, lengths=_LENGTHS, time=12, records=None, dtype="float32", seed=0):
    shape = (time, 3) if kind == "signal" else (time, 4, 6, 3)
    rows = [
        np.random.default_rng([seed, row]).normal(120, 40, shape) for row in range(len(lengths))
    ]
    values = np.stack(rows).astype("uint8" if kind == "frames" else dtype)
    label = np.arange(time)[None] + 100 * np.arange(len(lengths))[:, None]
    return {
        kind: tf.constant(values),
        "lengths": tf.constant(lengths, tf.int32),
        "record": tf.constant(records or list(range(len(lengths))), tf.int32),
        "label": tf.constant(label, tf.int64),
    }


def _with_partner(batch):
    """With another record for each, no longer than it, and with anything in its padding."""
    partner = {name: tf.roll(part, 1, 0) for name, part in batch.items()}
    partner["lengths"] = tf.minimum(batch["lengths"], tf.maximum(partner["lengths"], 1))
    return {**batch, "partner": partner}


def _row(batch, row):
    """A row alone, with three more steps of padding, which is not zero."""
    alone = {}
    for name, part in batch.items():
        alone[name] = _row(part, row) if name == "partner" else part[row : row + 1]
        if name in ("signal", "frames", "label"):
            paddings = [[0, 0], [0, 3], *[[0, 0]] * (len(part.shape) - 2)]
            alone[name] = tf.pad(alone[name], paddings, constant_values=tf.cast(9, part.dtype))
    return alone


def _valid(batch, kind):
    return [
        values[:length] for values, length in
        zip(batch[kind].numpy(), batch["lengths"].numpy(), strict=True)
    ]  # fmt: skip


ALL = [
    pytest.param(_switched_on(kind), of, id=f"{kind.__name__}-{of}")
    for kind in augmentations()
    for of in (("signal", "frames") if not kind.input_kind else (kind.input_kind,))
]


@pytest.mark.parametrize(("one", "kind"), ALL)
def test_property_07_a_record_is_changed_alike_in_any_batch(one, kind):
    whole = _with_partner(_batch(kind))
    expected = _valid(augmented(whole, [one], 5, tf.constant(2), _STEP), kind)
    assert any((a.shape != b.shape) or (a != b).any() for a, b in zip(
        expected, _valid(whole, kind), strict=True
    ))  # fmt: skip
    for row in range(len(_LENGTHS)):
        alone = augmented(_row(whole, row), [one], 5, tf.constant(2), _STEP)
        np.testing.assert_allclose(_valid(alone, kind)[0], expected[row], rtol=2e-5)


@pytest.mark.parametrize(("one", "kind"), ALL)
def test_epochs_seeds_and_records_differ_and_padding_stays_padding(one, kind):
    batch = _with_partner(_batch(kind, [12] * 8))
    first, again, epoch, seed = (
        augmented(batch, [one], seed, tf.constant(epoch), _RECORD)
        for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0))
    )

    def same(a, b):
        return all(
            x.shape == y.shape and (x == y).all()
            for x, y in zip(_valid(a, kind), _valid(b, kind), strict=True)
        )

    assert same(first, again)
    assert not same(first, epoch)
    assert not same(first, seed)
    empty = augmented(_with_partner(_batch(kind)), [one], 0, tf.constant(0), _RECORD)
    assert empty["lengths"][1] == 0
    assert (empty["lengths"].numpy()[[0, 2, 3, 4]] >= 1).all()
    assert first[kind].dtype == batch[kind].dtype


def test_labels_of_steps_and_numbers_beside_them_move_with_a_crop():
    batch = _batch("signal", [12, 9])
    batch["signal"] = batch["beside"] = tf.cast(batch["label"], tf.float32)[..., None]
    cut = augmented(batch, [Crop(crop=0.6)], 1, tf.constant(0), _STEP)
    columns = (cut[name] for name in ("signal", "beside", "label", "lengths"))
    for values, beside, label, length in zip(*columns, strict=True):
        np.testing.assert_array_equal(values[:length, 0], label[:length])
        np.testing.assert_array_equal(beside[:length, 0], label[:length])
        assert (np.diff(label[:length]) == 1).all()
    assert (cut["lengths"].numpy() < [12, 9]).any()


@pytest.mark.parametrize(
    "kind",
    [kind for kind in augmentations() if kind.input_kind != "signal" and not kind.needs_partner],
)
def test_numbers_beside_frames_stay_those_of_their_step(kind):
    """Each is the label of its step: changes of pictures leave both, those in time move both."""
    batch = _batch("frames", [12, 9])
    batch["beside"] = tf.cast(batch["label"], tf.float32)[..., None]
    changed = augmented(batch, [_switched_on(kind)], 1, tf.constant(0), _STEP)
    for beside, label, length in zip(
        changed["beside"], changed["label"], changed["lengths"], strict=True
    ):
        np.testing.assert_array_equal(beside[:length, 0], label[:length])


def test_crop_steps_bound_a_record_and_reach_both_ends():
    batch = _batch("signal", [12] * 64)
    batch["signal"] = tf.cast(batch["label"], tf.float32)[..., None]
    cut = augmented(batch, [Crop(crop_steps=5)], 0, tf.constant(0), _STEP)
    assert set(cut["lengths"].numpy()) == {5}
    starts = cut["label"].numpy()[:, 0] % 100
    assert starts.min() == 0
    assert starts.max() == 7


def test_stretch_keeps_the_shape_of_a_line():
    batch = _batch("signal", [100] * 32, time=100)
    batch["signal"] = tf.tile(tf.range(100.0)[None, :, None], [32, 1, 1])
    changed = augmented(batch, [TimeStretch(time_stretch=0.5)], 0, tf.constant(0), _RECORD)
    lengths = changed["lengths"].numpy()
    assert 67 <= lengths.min() < 80 < 120 < lengths.max() <= 150
    for values, length in zip(changed["signal"].numpy(), lengths, strict=True):
        slopes = np.diff(values[:length, 0])
        np.testing.assert_allclose(slopes, slopes[0], atol=1e-3)
        assert 1 / 1.5 - 1e-3 <= slopes[0] <= 1.5 + 1e-3


def test_noise_and_gain_have_the_strength_that_they_say():
    batch = _batch("signal", [400] * 8, time=400)
    given = batch["signal"].numpy()
    noisy = augmented(batch, [Noise(noise=0.1)], 0, tf.constant(0), _RECORD)["signal"].numpy()
    added = (noisy - given) / given.std(1, keepdims=True)
    assert abs(added.std() - 0.1) < 0.005
    assert abs(added.mean()) < 0.005
    assert abs(np.mean((added / added.std()) ** 4) - 3) < 0.3  # As a normal distribution has it.
    louder = augmented(batch, [Gain(gain=0.5)], 0, tf.constant(0), _RECORD)["signal"].numpy()
    factors = (louder / given).mean((1, 2))
    assert (factors >= 1 / 1.5 - 1e-3).all()
    assert (factors <= 1.5 + 1e-3).all()


def test_integer_samples_are_rounded_within_their_range():
    batch = _batch("signal", [12], dtype="int16")
    batch["signal"] = tf.constant(np.full((1, 12, 3), 32_000, np.int16))
    loud = augmented(batch, [Gain(gain=3.0)], 2, tf.constant(0), _RECORD)["signal"]
    assert loud.dtype == tf.int16
    assert (loud.numpy() > 0).all()


def _far_batch(dtype="int64", offset=1_700_000_000, padding=None):
    """Two records of windows of 5 samples, far from 0."""
    small = np.random.default_rng(0).integers(-20, 20, (2, 12, 5, 2))
    batch = {
        "signal": tf.constant((small + offset).astype(dtype)),
        "lengths": tf.constant([12, 7], tf.int32),
        "record": tf.constant([0, 1], tf.int32),
        "label": tf.constant([0, 1], tf.int64),
    }
    if padding is not None:
        batch["padding"] = tf.constant(padding, tf.int32)
    return batch


@pytest.mark.parametrize(("dtype", "offset"), [("int32", 2_000_000_000), ("int64", 10**18)])
def test_wide_integers_keep_their_digits(dtype, offset):
    batch = _far_batch(dtype, offset)
    cut = augmented(batch, [Crop(crop=0.5)], 1, tf.constant(0), _RECORD)
    for row, length in enumerate(cut["lengths"].numpy()):
        given, found = batch["signal"].numpy()[row], cut["signal"].numpy()[row, :length]
        assert any((given[k : k + length] == found).all() for k in range(12 - length + 1))
    noisy = augmented(batch, [Noise(noise=0.5)], 0, tf.constant(0), _RECORD)["signal"].numpy()
    added = noisy[0].astype(np.int64) - batch["signal"].numpy()[0]
    small = batch["signal"].numpy()[0].astype(np.int64) - offset
    assert added.std() == pytest.approx(0.5 * small.std(), rel=0.2)


def test_wide_integers_stay_within_their_range():
    batch = _far_batch("int32", 2_147_483_600)
    loud = augmented(batch, [Gain(gain=9.0)], 2, tf.constant(0), _RECORD)["signal"].numpy()
    assert loud.min() > 2_147_000_000


@pytest.mark.parametrize("one", [Crop(crop=0.9), TimeStretch(time_stretch=0.5), Noise(noise=0.01)])
def test_a_tail_that_fills_the_last_step_enters_nothing(one):
    batch = _far_batch("float32", 50, padding=[3, 4])
    values = batch["signal"].numpy()
    values[0, 11, 2:], values[1, 6, 1:] = 0, 0
    batch["signal"] = tf.constant(values)
    found = set()
    for epoch in range(6):
        changed = augmented(batch, [one], 3, tf.constant(epoch), _RECORD)
        for row in range(2):
            length, padding = int(changed["lengths"][row]), int(changed["padding"][row])
            flat = changed["signal"].numpy()[row, :length].reshape(-1, 2)
            recorded = len(flat) - padding
            assert (flat[:recorded] >= 29).all()  # As all that was recorded.
            assert not flat[recorded:].any()
            found.add(padding)
    assert found <= {0, 3, 4}
    assert found >= ({0} if isinstance(one, Crop) else {3, 4})


def test_masks_set_one_stretch_and_pictures_are_mirrored():
    batch = _batch("signal", [12] * 40)
    masked = augmented(batch, [Masks(time_mask=0.5)], 0, tf.constant(0), _RECORD)["signal"]
    for row in masked.numpy():
        out = np.flatnonzero((row == 0).all(-1))
        assert len(out) <= 6
        assert len(out) == 0 or out[-1] - out[0] == len(out) - 1
    frames = _batch("frames", [12] * 40)
    mirrored = augmented(frames, [Pictures(flip=True)], 0, tf.constant(0), _RECORD)["frames"]
    same = (mirrored.numpy() == frames["frames"].numpy()).all((1, 2, 3, 4))
    other = (mirrored.numpy() == frames["frames"].numpy()[:, :, :, ::-1]).all((1, 2, 3, 4))
    assert (same ^ other).all()
    assert 8 < same.sum() < 32


def test_draws_are_uniform_and_independent():
    draws = Draws(0, tf.constant(0), tf.range(20_000), "test")
    first, second = draws.uniform(0).numpy(), draws.uniform(1).numpy()
    assert abs(first.mean() - 0.5) < 0.01
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03
    counts, _ = np.histogram(first, 20, (0, 1))
    assert np.abs(counts - 1000).max() < 150

"""Channels that are not alike: normalized as each signal would be alone, values by the split."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.console.errors import UsageError
from tests.datasets import CLASS_PER_RECORD
from tfrecords_schema import InputSpec, Statistics
from tfrecords_schema.channels import ChannelRole
from tfrecords_schema.errors import DatasetError, UserError
from trainer.augmentation.augmentation import augmented, require_suited
from trainer.augmentation.crop import Crop
from trainer.augmentation.gain import Gain
from trainer.augmentation.masks import Masks
from trainer.augmentation.mixup import Mixup
from trainer.augmentation.noise import Noise
from trainer.augmentation.time_stretch import TimeStretch
from trainer.layers import pack_steps
from trainer.models.family import DataSpec, families
from trainer.models.parts.normalization import normalize

# Two samples of two channels, one of a channel that may be missing, a value, and its flag.
_ROLES = (
    ChannelRole("signal", 0), ChannelRole("signal", 1), ChannelRole("signal", 0),
    ChannelRole("signal", 1), ChannelRole("signal", 4, 6), ChannelRole("value", 5),
    ChannelRole("flag", 6),
)  # fmt: skip
_LENGTHS, _WINDOW = np.array([4, 0, 7, 1], np.int32), 5
_PADDING = np.array([2, 0, 0, 3], np.int32)
_IS_THERE = np.array([1, 1, 0, 1])
_STATISTICS = Statistics(
    (1.0, -2.0, 3.0, 2.0, 5.0, 40.0, 0.5), (2.0, 1.0, 3.0, 1.0, 2.0, 8.0, 0.4), (-99.0,) * 7,
    (99.0,) * 7, 100,
)  # fmt: skip


def _batch(dtype="float32"):
    """`[records, steps, samples, channels]`, with zeros in the padding of last steps."""
    values = np.random.default_rng(1).normal(100, 30, (4, 7, _WINDOW, 7)).astype(dtype)
    values[..., 5] = np.arange(4)[:, None, None] + 40
    values[..., 6] = _IS_THERE[:, None, None]
    values[..., 4] *= values[..., 6]
    flat = values.reshape(4, -1, 7)
    flat[np.arange(flat.shape[1]) >= (_LENGTHS * _WINDOW - _PADDING)[:, None]] = 0
    return values


def _normalized(kind, values):
    """Record by record in NumPy."""
    found = []
    for record, length in enumerate(_LENGTHS * _WINDOW - _PADDING):
        rows = values[record].reshape(-1, 7)[:length].astype(float)
        if not length:
            continue
        own = rows.copy()
        for alike in ([0, 2], [1, 3], [4]):
            mean, deviation = rows[:, alike].mean(), rows[:, alike].std()
            if kind == "training_split":
                pairs = [(_STATISTICS.mean[n], _STATISTICS.deviation[n]) for n in alike]
                mean = np.mean([m for m, _ in pairs])
                deviation = np.sqrt(np.mean([d**2 + (m - mean) ** 2 for m, d in pairs]))
            own[:, alike] = (rows[:, alike] - mean) / (deviation or 1)
        own[:, 4] *= _IS_THERE[record]
        own[:, 5] = (rows[:, 5] - 40) / 8
        padded = np.zeros((_LENGTHS[record] * _WINDOW, 7))
        padded[: len(own)] = own
        found.append(padded.reshape(-1, _WINDOW, 7))
    return np.concatenate(found)


def _model(kind, dtype, statistics=_STATISTICS):
    inputs = {
        "signal": keras.Input((None, _WINDOW, 7), dtype=dtype, name="signal"),
        "lengths": keras.Input((), dtype="int32", name="lengths"),
        "padding": keras.Input((), dtype="int32", name="padding"),
    }
    packed = keras.layers.Lambda(lambda given: pack_steps(*given), output_shape=(_WINDOW, 7))(
        (inputs["signal"], inputs["lengths"])
    )
    found = normalize(
        packed, inputs["lengths"], kind, 7, statistics, "normalize", inputs["padding"], _ROLES
    )
    return keras.Model(inputs, found)


@pytest.mark.parametrize("dtype", ["float32", "int16"])
@pytest.mark.parametrize("kind", ["record", "training_split", "both"])
def test_each_signal_as_alone_values_by_the_split_flags_as_they_are(kind, dtype):
    values = _batch(dtype)
    batch = {"signal": values, "lengths": _LENGTHS, "padding": _PADDING}
    found = _model(kind, dtype)({name: tf.constant(part) for name, part in batch.items()}).numpy()
    kinds = ["record", "training_split"] if kind == "both" else [kind]
    expected = np.concatenate([_normalized(one, values) for one in kinds], -1)
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_layers_are_made_again_from_their_configuration():
    model = _model("record", "float32")
    for name in ("normalize", "normalize_roles"):
        layer = model.get_layer(name)
        again = type(layer).from_config(layer.get_config())
        assert again.get_config() == layer.get_config()


def test_values_need_the_statistics_and_a_step_its_channels():
    with pytest.raises(DatasetError, match="statistics"):
        _model("record", "float32", statistics=None)
    rows, lengths = keras.Input((3, 1)), keras.Input((), dtype="int32")
    with pytest.raises(UserError, match="convert with windows"):
        normalize(rows, lengths, "record", 1, _STATISTICS, "normalize", roles=_ROLES)


@pytest.mark.parametrize(
    "used", [Gain(1.0), Noise(1.0), Masks(1.0, 1.0), TimeStretch(0.5), Crop(0.5)]
)
def test_augmentations_leave_values_and_flags_alone(used):
    values = _batch()
    batch = {
        "signal": values, "lengths": _LENGTHS, "padding": _PADDING,
        "record": np.arange(4, dtype=np.int32), "label": np.zeros(4, np.int64),
    }  # fmt: skip
    batch = {name: tf.constant(part) for name, part in batch.items()}
    found = augmented(batch, [used], 3, tf.constant(1), CLASS_PER_RECORD, _ROLES)
    signal, lengths, padding = (found[k].numpy() for k in ("signal", "lengths", "padding"))
    is_cut = lengths[2] < _LENGTHS[2]
    assert is_cut or (signal[2, : lengths[2], :, :4] != values[2, : lengths[2], :, :4]).any()
    for record in (0, 2, 3):
        rows = signal[record, : lengths[record]].reshape(-1, 7)
        rows = rows[: len(rows) - padding[record]]
        assert len(rows)
        assert (rows[:, 5:] == [record + 40, _IS_THERE[record]]).all()
        assert _IS_THERE[record] or not rows[:, 4].any()


@pytest.mark.parametrize("used", [Gain(1.0), Noise(1.0), Masks(1.0, 1.0), Crop(0.5)])
def test_a_flag_of_samples_moves_with_them_and_stays_as_it_is(used):
    values = np.empty((2, 8, _WINDOW, 2), np.float32)
    values[..., 0] = np.arange(8 * _WINDOW).reshape(8, _WINDOW)
    values[..., 1] = values[..., 0] % 3 > 0
    batch = {
        "signal": tf.constant(values), "lengths": tf.constant([8, 6]),
        "record": tf.range(2), "label": tf.zeros(2, tf.int64),
    }  # fmt: skip
    roles = (ChannelRole("signal", 0), ChannelRole("flag", 1))
    found = augmented(batch, [used], 3, tf.constant(1), CLASS_PER_RECORD, roles)
    moved = augmented({**batch}, [used], 3, tf.constant(1), CLASS_PER_RECORD)["signal"].numpy()
    for record, length in enumerate(found["lengths"].numpy()):
        rows = found["signal"].numpy()[record, :length].reshape(-1, 2)
        is_cut = isinstance(used, Crop)
        places = rows[:, 0].astype(int) if is_cut else np.arange(len(rows))
        np.testing.assert_array_equal(rows[:, 1], places % 3 > 0)
        np.testing.assert_array_equal(rows[:, 0], moved[record, :length].reshape(-1, 2)[:, 0])


def test_what_does_not_go_with_a_signal_that_may_be_missing_is_refused():
    spec = InputSpec("signal", "float32", (_WINDOW, 7), roles=_ROLES)
    with pytest.raises(UsageError, match="--mixup cannot mix a signal that some recordings lack"):
        require_suited([Mixup(0.2)], spec, "record")
    forecaster = families()["forecaster"]
    label = forecaster.label(spec, None)
    with pytest.raises(UserError, match="--missing_signal=reject"):
        forecaster.build(
            DataSpec(spec, label, _STATISTICS), *(kind() for kind in forecaster.options)
        )


@pytest.mark.parametrize(
    "roles",
    [
        _ROLES[:3],
        (*_ROLES[:6], ChannelRole("flag", 7)),
        (*_ROLES[:6], ChannelRole("flag", 5)),
        (*_ROLES[:4], ChannelRole("signal", 4, 5), *_ROLES[5:]),
        (*_ROLES[:4], ChannelRole("signal", 4, 7), *_ROLES[5:]),
    ],
)
def test_roles_that_no_conversion_writes_are_refused(roles):
    with pytest.raises(DatasetError, match="input: "):
        InputSpec("signal", "float32", (_WINDOW, 7), roles=roles)

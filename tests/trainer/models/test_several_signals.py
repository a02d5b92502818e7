"""Signals of 100 and 50 Hz tell together what neither tells alone; a value what neither does."""

import numpy as np
import tensorflow as tf

from tfrecords_schema import InputSpec, LabelSpec, Statistics
from tfrecords_schema.channels import ChannelRole
from trainer.models.family import DataSpec, families
from trainer.models.parts.front_end import FrontEndOptions
from trainer.models.parts.random_convolutions import RandomConvolutionOptions

# A row has two samples of the fast signal, one of the slow one, and a value.
_FAST, _SLOW, _VALUE = (0, 1), (2,), (3,)
_TRAIN, _TEST, _ROWS = 80, 40, 40


def _recordings():
    """`[records, rows, 4]`, and whether the phases of both signals are opposite."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, _TRAIN + _TEST)
    phase = rng.uniform(0, 2 * np.pi, (len(labels), 1))
    fast = np.sin(8 * np.pi * np.arange(2 * _ROWS) / 100 + phase)
    slow = np.sin(8 * np.pi * np.arange(_ROWS) / 50 + phase + np.pi * labels[:, None])
    parts = [
        fast.reshape(-1, _ROWS, 2),
        slow[..., None],
        np.tile(labels[:, None, None], (1, _ROWS, 1)),
    ]
    rows = np.concatenate(parts, 2)
    return (rows + rng.normal(0, 0.2, rows.shape) * (1, 1, 1, 0)).astype(np.float32), labels


def _told(*channels):
    """Share of new recordings of which hydra tells the label from some of the channels."""
    recordings, labels = _recordings()
    kinds = ("signal", "signal", "signal", "value")
    like = [0 if channel in _FAST else place for place, channel in enumerate(channels)]
    pairs = zip(channels, like, strict=True)
    roles = tuple(ChannelRole(kinds[channel], first) for channel, first in pairs)
    chosen = recordings[..., channels]
    train = chosen[:_TRAIN].reshape(-1, len(channels)).astype(float)
    moments = (train.mean(0), train.std(0), train.min(0), train.max(0))
    data = DataSpec(
        InputSpec("signal", "float32", (len(channels),), roles=roles),
        LabelSpec("record", "class", class_names=("alike", "opposite")),
        Statistics(*(tuple(one.tolist()) for one in moments), len(train)),
    )
    hydra = families()["hydra"]
    options = (
        FrontEndOptions(normalization="record"),
        RandomConvolutionOptions(kernel_groups=8, dilations=3),
    )
    built = hydra.build(data, *options)
    lengths = np.full(len(labels), _ROWS, np.int32)
    batch = {"signal": chosen, "lengths": lengths, "label": labels, "group": np.arange(len(labels))}
    built.fit([{name: tf.constant(part[:_TRAIN]) for name, part in batch.items()}], _TRAIN)
    new = {name: tf.constant(batch[name][_TRAIN:]) for name in ("signal", "lengths")}
    return np.mean(np.argmax(built.full(new), -1) == labels[_TRAIN:])


def test_both_signals_tell_what_neither_does():
    assert _told(*_FAST, *_SLOW) > 0.9
    assert max(_told(*_FAST), _told(*_SLOW)) < 0.75


def test_a_value_that_is_constant_in_a_recording_tells_what_signals_do_not():
    assert _told(*_FAST, *_VALUE) == 1.0

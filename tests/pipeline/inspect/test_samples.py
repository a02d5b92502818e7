"""The records that are drawn: the right ones, as they are, with no peak lost."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from pipeline.console.figures import _extremes
from pipeline.inspect import record_pictures
from pipeline.inspect.figures import _batch_image
from pipeline.inspect.page import _rows
from pipeline.inspect.record_pictures import sample_picture
from pipeline.inspect.samples import Sample, TimeAxis, label_text, read_samples
from tests.datasets import (
    CLASS_PER_RECORD,
    CLASS_PER_STEP,
    VALUE_PER_RECORD,
    VALUE_PER_STEP,
    VALUE_SEQUENCE,
    Record,
    random_records,
    toy_dataset,
    write_dataset,
)
from tfrecords_schema import InputSpec, LabelSpec, RecordSchema

_LABELS = [CLASS_PER_RECORD, CLASS_PER_STEP, VALUE_PER_RECORD, VALUE_PER_STEP, VALUE_SEQUENCE]


@pytest.mark.parametrize("label", _LABELS, ids=lambda label: f"{label.per}-{label.kind}")
def test_samples_are_those_of_the_source(tmp_path, label):
    dataset, splits = toy_dataset(tmp_path, label=label, dtype="int16", step_shape=(4, 2))
    rows = np.array([3, 0, 4], np.int32)
    for row, sample in zip(rows, read_samples(dataset, "test", rows), strict=True):
        record = splits["test"][row]
        assert (sample.id, sample.steps) == (record.id, record.steps)
        np.testing.assert_array_equal(sample.data, record.data)
        np.testing.assert_array_equal(sample.label, record.label)


def test_the_input_alone_is_read_where_the_label_is_not_that_of_the_records(tmp_path):
    dataset, splits = toy_dataset(tmp_path, label=None)
    object.__setattr__(dataset.manifest.schema, "label", VALUE_SEQUENCE)
    (sample,) = read_samples(dataset, "test", np.array([2]), with_label=False)
    np.testing.assert_array_equal(sample.data, splits["test"][2].data)
    assert sample.label is None


def test_a_few_frames_are_decoded_and_the_last_is_one_of_them(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (9, 6, 8, 3), np.uint8)
    encoded = [tf.io.encode_png(frame).numpy() for frame in frames]
    schema = RecordSchema(InputSpec("frames", "uint8", (6, 8, 3)))
    records = [Record("long", encoded), Record("short", encoded[:2])]
    dataset = write_dataset(tmp_path, {"train": records}, schema)
    long, short = read_samples(dataset, "train", np.array([0, 1]))
    assert (long.steps, short.steps) == (9, 2)
    np.testing.assert_array_equal(short.shown_steps, [0, 1])
    assert (long.shown_steps[0], long.shown_steps[-1], len(long.data)) == (0, 8, 4)
    np.testing.assert_array_equal(long.data, frames[long.shown_steps])
    picture = sample_picture(long, schema, TimeAxis.of(dataset))
    assert picture.startswith("data:image/png;base64,")


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30_000), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_no_peak_is_lost_or_moved_however_long_the_signal(samples, channels, seed):
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=(samples, channels))
    place = int(rng.integers(samples))
    signal[place, 0] = 99.0
    drawn = _extremes(signal)
    assert len(drawn) <= max(2_000, 1)
    np.testing.assert_array_equal(drawn.min(0), signal.min(0))
    np.testing.assert_array_equal(drawn.max(0), signal.max(0))
    found = (drawn[:, 0].argmax() + 0.5) / len(drawn)
    assert abs(found - (place + 0.5) / samples) <= 3 / min(len(drawn), 1_000)


def test_every_class_is_drawn_before_one_is_drawn_again(tmp_path):
    label = LabelSpec("record", "class", class_names=tuple("abcd"))
    schema = RecordSchema(InputSpec("signal", "float32", (2,)), label)
    classes = [0] * 30 + [3] * 5 + [1] + [0] * 9 + [2]
    records = [
        Record(record.id, record.data, number, record.group)
        for record, number in zip(random_records([2] * 46, schema), classes, strict=True)
    ]
    dataset = write_dataset(tmp_path, {"train": records}, schema)
    assert _rows(dataset, "train", 6).tolist() == [0, 1, 2, 30, 35, 45]
    assert _rows(dataset, "train", 3).tolist() == [0, 30, 35]
    assert _rows(dataset, "train", 99).tolist() == list(range(46))


def test_a_batch_is_drawn_as_long_as_its_rows_are():
    image = _batch_image(np.array([2, 5, 3, 1]), 5, 2)
    assert image.shape == (4, 5, 3)
    padding = image[0, -1] if (image[0, -1] != image[0, 0]).any() else image[-1, -1]
    valid = (image != padding).any(-1).sum(1)
    assert sorted(valid) == [1, 2, 3, 5]
    assert len(np.unique(image.reshape(-1, 3), axis=0)) == 3


@pytest.mark.parametrize(
    ("shape", "options", "step_secs", "samples"),
    [
        ((100, 6), {"sample_rate_hz": 50.0, "window_secs": 2.0}, 2.0, (300, 6)),
        ((100,), {"window_samples": 100}, None, (300, 1)),
        ((12,), {}, None, (3, 12)),
        ((), {}, None, (3, 1)),
    ],
)
def test_time_axis(tmp_path, shape, options, step_secs, samples):
    dataset, _ = toy_dataset(tmp_path, step_shape=shape or (1,))
    object.__setattr__(dataset.schema.input, "step_shape", shape)
    dataset.manifest.options.update(options)
    axis = TimeAxis.of(dataset)
    assert axis.step_secs == step_secs
    assert axis.unroll(np.zeros((3, *shape))).shape == samples


def test_labels_in_words():
    assert label_text(np.array([2, 0, 2]), CLASS_PER_STEP) == "rest, fall"
    assert label_text(np.int64(1), CLASS_PER_RECORD) == "move"
    assert label_text(np.array([0.12345, -3.0]), VALUE_PER_RECORD) == "0.123, -3"


@pytest.mark.parametrize(
    ("step_secs", "steps", "name", "end"),
    [
        (30.0, 960, "hours", 8.0), (30.0, 240, "hours", 2.0), (30.0, 239, "minutes", 119.5),
        (1.0, 119, "seconds", 119), (2.0, 60, "minutes", 2.0), (None, 10_000, "steps", 10_000),
    ],
)  # fmt: skip
def test_time_is_in_the_unit_that_suits_its_length(step_secs, steps, name, end):
    axis = TimeAxis(step_secs, True).fitting(steps)
    assert (axis.name, steps * axis.unit) == (name, pytest.approx(end))


def _axes_of(monkeypatch, draw):
    """The axes of the picture that is drawn."""
    figures = []
    monkeypatch.setattr(record_pictures, "png", lambda draw, size: figures.append((draw, size)))
    draw()
    ((drawn, size),) = figures
    drawn(figure := Figure(figsize=size))
    return figure.axes


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, ["channel 0", "channel 1", "channel 2"]),
        ({"channels": ["C3", "C4", "EMG"]}, ["C3", "C4", "EMG"]),
        ({"channels": ["C3", "C4", "EMG"], "units": ["uV"]}, ["C3, uV", "C4, uV", "EMG, uV"]),
        ({"channels": ["C3", "C4", "EMG"], "units": ["uV", "", "mV"]}, ["C3, uV", "C4", "EMG, mV"]),
        ({"channels": ["of", "others"]}, ["channel 0", "channel 1", "channel 2"]),
    ],
)
def test_each_channel_has_an_axis_with_its_name(monkeypatch, options, names):
    spec = InputSpec("signal", "float32", (50, 3))
    axis = TimeAxis.of_options(spec, {**options, "sample_rate_hz": 50, "window_secs": 1})
    data = np.random.default_rng(0).normal(size=(300, 50, 3))
    sample = Sample("r", 300, data, np.arange(300), np.arange(300) % 3)
    schema = RecordSchema(spec, CLASS_PER_STEP)
    *signals, band = _axes_of(monkeypatch, lambda: sample_picture(sample, schema, axis))
    assert [axes.get_ylabel() for axes in signals] == names
    for number, axes in enumerate(signals):
        (line,) = axes.lines
        drawn = line.get_ydata()
        assert (drawn.min(), drawn.max()) == (data[..., number].min(), data[..., number].max())
        assert axes.get_xlim() == (0, 5)  # Five minutes.
        assert axes.get_xlabel() == ""
    assert (band.get_xlabel(), band.get_xlim()) == ("minutes", (0, 5))


def test_of_very_many_channels_the_first_are_drawn_and_the_others_counted(monkeypatch):
    spec = InputSpec("signal", "float32", (20,))
    sample = Sample("r", 5, np.zeros((5, 20)), np.arange(5), None)
    axis = TimeAxis.of_options(spec, {})
    found = _axes_of(monkeypatch, lambda: sample_picture(sample, RecordSchema(spec), axis))
    assert len(found) == 12
    assert found[0].get_title() == "the first 12 of 20 channels"
    assert found[-1].get_xlabel() == "steps"

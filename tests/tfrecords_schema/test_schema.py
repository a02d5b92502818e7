import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf

from tfrecords_schema import DatasetError, InputSpec, LabelSpec, RecordSchema
from tfrecords_schema.labels import SUPPORTED_DTYPES

_CLASSES = ("rest", "move")


def _labels(steps):
    return [
        (None, None),
        (LabelSpec("record", "class", class_names=_CLASSES), 1),
        (LabelSpec("step", "class", class_names=_CLASSES), np.arange(steps, dtype=np.int64) % 2),
        (LabelSpec("record", "value", "float32", (2,)), np.array([0.5, np.pi], np.float32)),
        (LabelSpec("step", "value", "float32", (2,)), np.ones((steps, 2), np.float32) / 3),
        (LabelSpec("sequence", "value", "float32", ()), np.linspace(0, 1, 7, dtype=np.float32)),
    ]


@pytest.mark.parametrize("case", range(6))
@hypothesis.settings(max_examples=30, deadline=None)
@hypothesis.given(data=st.data())
def test_property_01_a_record_comes_back_bit_for_bit(case, data):
    dtype = data.draw(st.sampled_from(SUPPORTED_DTYPES))
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, max_side=5))
    signal = data.draw(hnp.arrays(dtype, shape))
    label_spec, label = _labels(len(signal))[case]
    schema = RecordSchema(InputSpec("signal", dtype, shape[1:]), label_spec)
    parsed = schema.parse(tf.constant(schema.encode("a/ü", signal, label)))
    assert parsed["id"].numpy().decode() == "a/ü"
    assert parsed["signal"].dtype == dtype
    assert parsed["signal"].numpy().tobytes() == signal.tobytes()
    assert tuple(parsed["signal"].shape) == signal.shape
    if label_spec is not None:
        np.testing.assert_array_equal(parsed["label"].numpy(), label, strict=case != 1)


@pytest.mark.parametrize("case", range(6))
def test_encoding_is_the_one_of_tensorflow_datasets(case):
    label_spec, label = _labels(3)[case]
    schema = RecordSchema(InputSpec("signal", "int16", (2,)), label_spec)
    signal = np.arange(6, dtype=np.int16).reshape(3, 2)
    example = {"id": "x", "signal": signal}
    if label_spec is not None:
        example["label"] = label
    theirs = tf.train.Example.FromString(schema.features().serialize_example(example))
    assert tf.train.Example.FromString(schema.encode("x", signal, label)) == theirs


def test_parse_works_inside_tf_data_and_keeps_static_shapes():
    schema = RecordSchema(InputSpec("signal", "float32", (4, 1)), None)
    raw = schema.encode("x", np.ones((3, 4, 1), np.float32))
    dataset = tf.data.Dataset.from_tensors(raw).map(schema.parse)
    assert dataset.element_spec["signal"].shape.as_list() == [None, 4, 1]
    assert next(iter(dataset))["signal"].shape == (3, 4, 1)


def test_the_same_record_gives_the_same_bytes():
    schema = RecordSchema(*_spec_with_label())
    signal = np.ones((3, 2), np.float32)
    assert len({schema.encode("x", signal, 1) for _ in range(20)}) == 1


def _spec_with_label():
    return InputSpec("signal", "float32", (2,)), LabelSpec("record", "class", class_names=_CLASSES)


@pytest.mark.parametrize(
    ("signal", "message"),
    [
        (
            np.ones((3, 2)),
            r"record 'x', signal: got float64 \[3, 2\], expected float32 \[time, 2\]",
        ),
        (np.ones((3, 4), np.float32), r"got float32 \[3, 4\], expected float32 \[time, 2\]"),
        (np.ones((3,), np.float32), r"got float32 \[3\]"),
    ],
)
def test_a_signal_of_another_shape_or_dtype_is_refused(signal, message):
    with pytest.raises(DatasetError, match=message):
        RecordSchema(*_spec_with_label()).encode("x", signal, 0)


def test_an_unsupported_dtype_is_refused():
    with pytest.raises(DatasetError, match="input dtype: got 'complex64', expected one of bool"):
        InputSpec("signal", "complex64", ())
    with pytest.raises(DatasetError, match="label dtype: got 'O', expected one of bool"):
        LabelSpec("record", "value", "O")


def test_frames_keep_their_encoded_bytes():
    schema = RecordSchema(InputSpec("frames", "uint8", (8, 8, 3)), None)
    frames = [tf.io.encode_png(np.full((8, 8, 3), shade, np.uint8)).numpy() for shade in (0, 9)]
    parsed = schema.parse(tf.constant(schema.encode("x", frames)))
    assert list(parsed["frames"].numpy()) == frames

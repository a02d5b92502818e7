import threading

import numpy as np
import pytest
import tensorflow as tf

from pipeline.batches.dataset_ops import read_record, serial_map


def _pairs():
    return tf.data.Dataset.from_tensor_slices((tf.range(6), tf.range(6.0)[:, tf.newaxis]))


def _add(number, values):
    return {"sum": tf.cast(number, tf.float32) + values, "kept": number}


def _double(element):
    return tf.nest.map_structure(lambda tensor: 2 * tensor, element)


def _through_a_function(dataset):
    """The dataset as it is made inside a function, as `BatchReader` makes it."""
    spec = dataset().element_spec
    variant = tf.function(lambda: tf.data.experimental.to_variant(dataset()))()
    return tf.data.experimental.from_variant(variant, spec)


@pytest.mark.parametrize("through", [lambda dataset: dataset(), _through_a_function])
def test_it_delivers_what_map_does(through):
    expected = _pairs().map(_add).map(_double)
    found = through(lambda: serial_map(serial_map(_pairs(), _add), _double))
    assert found.element_spec == expected.element_spec
    for element, other in zip(found, expected, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, element, other)


def test_functions_see_tensors_from_outside_of_them():
    table = tf.constant([3, 1, 2])
    indices = tf.data.Dataset.from_tensor_slices([2, 0])
    assert list(serial_map(indices, lambda i: tf.gather(table, i)).as_numpy_iterator()) == [2, 3]


def test_the_thread_that_asks_runs_the_function():
    def thread(number):
        return tf.numpy_function(threading.get_ident, [], tf.int64)

    options = tf.data.Options()  # What rewrites a pipeline makes parallel what it can.
    options.experimental_optimization.apply_default_optimizations = False
    numbers = tf.data.Dataset.range(20).with_options(options)
    assert set(serial_map(numbers, thread).as_numpy_iterator()) == {threading.get_ident()}
    assert threading.get_ident() not in set(numbers.map(thread).as_numpy_iterator())


def test_errors_of_the_function_arrive():
    def checked(number, values):
        tf.debugging.assert_less(number, 3)
        return values

    elements = iter(serial_map(_pairs(), checked))
    assert [next(elements).numpy().tolist() for _ in range(3)] == [[0], [1], [2]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="x < y did not hold"):
        next(elements)


@pytest.mark.parametrize(
    ("name", "offset", "expected"),
    [
        ("two", 0, b"first"),
        ("two", 21, b"second"),
        ("two", 5, b"-"),
        ("gone", 0, b"-"),
        (".", 0, b"-"),
    ],
)
def test_a_record_or_what_stands_for_it_is_there_at_once(name, offset, expected, tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / "two")) as writer:
        writer.write(b"first")
        writer.write(b"second")
    otherwise = tf.data.Dataset.from_tensors(b"-")
    places = tf.data.Dataset.from_tensors(([str(tmp_path / name)], np.int64([offset])))
    found = serial_map(places, lambda *place: read_record(*place, otherwise))
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.extend(found.as_numpy_iterator()), daemon=True)
    reader.start()
    reader.join(20)
    assert read == [expected]

"""Whether a serialized record is what its index row and the schema say, without any TF op."""

import math

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from tfrecords_schema.index import IndexRow
from tfrecords_schema.schema import MISSING_CLASS, LabelSpec, RecordSchema

_CLASS_INDEX = np.dtype("<i8")


def record_problem(content: bytes, row: IndexRow, schema: RecordSchema) -> str:
    """What is wrong with a record; empty if nothing is.

    Args:
      content: the serialized record, without its framing.
      row: of the index.
      schema: what a record of the dataset holds.
    """
    try:
        features = tf.train.Example.FromString(content).features.feature
    except DecodeError:
        return "it is no tf.train.Example"
    kind = schema.input.kind
    expected = {"id", kind}
    expected |= {"label"} if schema.label else set()
    expected |= {"padding"} if schema.input.has_padding else set()
    if set(features) != expected:
        return f"it has the features {_names(set(features))}, expected {_names(expected)}"
    if list(features["id"].bytes_list.value) != [row.id.encode()]:
        return f"its id is {features['id'].bytes_list.value[:1]}"
    values = features[kind].bytes_list.value
    if kind == "frames":
        problem = "" if len(values) == row.steps else f"{len(values)} frames of {row.steps}"
    else:
        shape = (row.steps, *schema.input.step_shape)
        problem = _array_problem(values, schema.input.dtype, shape)
    if problem:
        return f"{kind}: {problem}"
    if schema.input.has_padding:
        padding, samples = list(features["padding"].int64_list.value), schema.input.step_shape[0]
        if len(padding) != 1 or not 0 <= padding[0] < samples:
            return f"padding: {padding[:2]}, expected one number from 0 to {samples - 1}"
    problem = _label_problem(features["label"], row, schema.label) if schema.label else ""
    return f"label: {problem}" if problem else ""


def _label_problem(feature: tf.train.Feature, row: IndexRow, label: LabelSpec) -> str:
    if label.is_class_feature:
        classes = np.array(feature.int64_list.value, _CLASS_INDEX)
        problem = "" if len(classes) == 1 else f"{len(classes)} values of 1"
    else:
        steps = {"step": (row.steps,), "record": (), "sequence": (row.label_steps,)}[label.per]
        values = feature.bytes_list.value
        problem = _array_problem(values, label.dtype, (*steps, *label.shape))
        if problem or label.kind != "class":
            return problem
        classes = np.frombuffer(values[0], _CLASS_INDEX)
    least = MISSING_CLASS if label.has_missing else 0
    if not problem and len(classes) and not least <= classes.min() <= classes.max() < _count(label):
        problem = f"class {classes.min()} to {classes.max()}, there are {_count(label)}"
    return problem


def _array_problem(values: list[bytes], dtype: str, shape: tuple[int, ...]) -> str:
    expected = math.prod(shape) * np.dtype(dtype).itemsize
    if len(values) != 1:
        return f"{len(values)} arrays of 1"
    if len(values[0]) != expected:
        return f"{len(values[0])} bytes, expected {expected} for {dtype} {list(shape)}"
    return ""


def _count(label: LabelSpec) -> int:
    return len(label.class_names)


def _names(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"

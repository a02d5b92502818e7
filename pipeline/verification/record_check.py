"""Whether a serialized record is what its index row and the schema say, without any TF op."""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from tfrecords_schema.index import IndexRow
from tfrecords_schema.labels import MISSING_CLASS, LabelSpec, column_spans
from tfrecords_schema.schema import RecordSchema

_CLASS_INDEX = np.dtype("<i8")
_COUNTS = re.compile(r":\d+(?= |$)")


class Checked(NamedTuple):
    """What a record holds.

    Attributes:
      problem: what is wrong with it; empty if nothing is, and only then the rest can be relied on.
      signal: `[time, *step_shape]`; of frames what stands beside them; None without.
      label: its values or class indices; None where there is none.
      padding: samples at the end that were not recorded.
    """

    problem: str
    signal: np.ndarray | None = None
    label: np.ndarray | None = None
    padding: int = 0


def check_record(content: bytes, row: IndexRow, schema: RecordSchema) -> Checked:
    """Reads a record and looks for what is wrong with it.

    Args:
      content: the serialized record, without its framing.
      row: of the index.
      schema: what a record of the dataset holds.
    """
    try:
        features = tf.train.Example.FromString(content).features.feature
    except DecodeError:
        return Checked("it is no tf.train.Example")
    kind = schema.input.kind
    expected = {"id", kind}
    expected |= {"label"} if schema.label else set()
    expected |= {"padding"} if schema.input.has_padding else set()
    expected |= {"beside"} if schema.input.beside else set()
    if set(features) != expected:
        return Checked(f"it has the features {_names(set(features))}, expected {_names(expected)}")
    if list(features["id"].bytes_list.value) != [row.id.encode()]:
        return Checked(f"its id is {features['id'].bytes_list.value[:1]}")
    values, signal, padding = features[kind].bytes_list.value, None, 0
    if kind == "frames":
        problem = "" if len(values) == row.steps else f"{len(values)} frames of {row.steps}"
    else:
        shape = (row.steps, *schema.input.step_shape)
        problem, signal = _array(values, schema.input.dtype, shape)
    if problem:
        return Checked(f"{kind}: {problem}")
    if schema.input.beside:
        shape = (row.steps, len(schema.input.beside))
        problem, signal = _array(features["beside"].bytes_list.value, "float32", shape)
        if problem:
            return Checked(f"beside: {problem}")
    if schema.input.has_padding:
        found, samples = list(features["padding"].int64_list.value), schema.input.step_shape[0]
        if len(found) != 1 or not 0 <= found[0] < samples:
            return Checked(f"padding: {found[:2]}, expected one number from 0 to {samples - 1}")
        padding = found[0]
    if schema.label is None:
        return Checked("", signal, None, padding)
    problem, label = _label(features["label"], row, schema.label)
    return Checked(f"label: {problem}" if problem else "", signal, label, padding)


def _label(
    feature: tf.train.Feature, row: IndexRow, spec: LabelSpec
) -> tuple[str, np.ndarray | None]:
    if spec.is_class_feature:
        classes: np.ndarray | None = np.array(feature.int64_list.value, _CLASS_INDEX)
        assert classes is not None
        problem = "" if len(classes) == 1 else f"{len(classes)} values of 1"
    else:
        steps = {"step": (row.steps,), "record": (), "sequence": (row.label_steps,)}[spec.per]
        shape = (*steps, *spec.shape)
        problem, classes = _array(feature.bytes_list.value, spec.dtype, shape, spec.has_missing)
    if problem or not spec.class_names:
        return problem, classes
    assert classes is not None
    if problem := next(_class_problems(spec, classes), ""):
        return problem, None
    if not spec.is_single:
        return "", classes
    return _other_classes(row.label, spec.summary(classes), spec), classes


def _class_problems(spec: LabelSpec, label: np.ndarray) -> Iterator[str]:
    """What of a label is no class, of several labels behind the name of its own."""
    for head, span in column_spans(spec):
        columns = label[..., span].astype(np.float64)
        columns = np.where(np.isnan(columns), MISSING_CLASS, columns)
        if head.label.class_names:
            yield from (
                f"{head.name}: {problem}" for problem in _class_problems(head.label, columns)
            )
    if spec.heads:
        return
    least = MISSING_CLASS if spec.has_missing else 0
    most, what = (1, "") if spec.kind == "classes" else (len(spec.class_names) - 1, "class ")
    if ((label < least) | (label > most) | (label != np.rint(label))).any():
        yield f"{what}{label.min():g} to {label.max():g}, expected {least} to {most}"


def _other_classes(listed: str, found: str, spec: LabelSpec) -> str:
    """Where the index names other classes than the schema has at these numbers; else empty.

    Its text is for people, and may be another's; then it tells nothing.
    """
    is_ours = listed in spec.class_names if spec.per == "record" else _COUNTS.search(listed)
    is_like = spec.per == "record" or _COUNTS.findall(listed) == _COUNTS.findall(found)
    if listed == found or not (is_ours and is_like):
        return ""
    return f"it is {found!r} by the names of the classes, and {listed!r} in the index"


def _array(
    values: list[bytes], dtype: str, shape: tuple[int, ...], may_be_nan: bool = False
) -> tuple[str, np.ndarray | None]:
    expected = math.prod(shape) * np.dtype(dtype).itemsize
    if len(values) != 1:
        return f"{len(values)} arrays of 1", None
    if len(values[0]) != expected:
        return f"{len(values[0])} bytes, expected {expected} for {dtype} {list(shape)}", None
    array = np.frombuffer(values[0], np.dtype(dtype).newbyteorder("<")).reshape(shape)
    if (
        array.dtype.kind == "f"
        and not np.isfinite(array[~np.isnan(array)] if may_be_nan else array).all()
    ):
        return "it holds NaN or infinity", None
    return "", array


def _names(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"

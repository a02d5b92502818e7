"""`annotation.json` of a sample: its fields, and a field as a label."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.console.errors import MissingLabelError, RejectedInputError
from pipeline.console.texts import listed
from pipeline.sources.labels.asked import AskedLabel
from pipeline.sources.labels.label import Label
from pipeline.sources.names import normal
from pipeline.sources.narrowing import narrowed

ANNOTATION = "annotation.json"


def parse_annotation(content: bytes) -> tuple[dict[str, Any], int]:
    """Fields of an annotation: those of the object, or of the first in a list; and how many follow.

    Lists are how TuSimple's velocity benchmark has them: one object for each vehicle.

    Raises:
      RejectedInputError: if it is no JSON, or holds something else.
    """
    try:
        value = json.loads(content)
    except RecursionError as error:
        raise RejectedInputError(
            f"{ANNOTATION} is nested too deeply to be read; write the fields as one object"
        ) from error
    except ValueError as error:  # Also of text that is no UTF-8, and of numbers too long to read.
        raise RejectedInputError(f"{ANNOTATION} is no JSON ({error}); repair it") from error
    first = value[0] if isinstance(value, list) and value else value
    if not isinstance(first, dict):
        raise RejectedInputError(
            f"{ANNOTATION} holds {_kind(value)}; expected an object, or a list that begins with one"
        )
    others = len(value) - 1 if isinstance(value, list) else 0
    return {normal(key): content for key, content in first.items()}, others


def field(annotation: dict[str, Any], key: str, flag: str) -> Any:
    """One field.

    Raises:
      RejectedInputError: if there is none of that name.
    """
    if normal(key) not in annotation:
        kind = MissingLabelError if flag == "label_key" else RejectedInputError
        raise kind(
            f"no field {key!r} (--{flag}) in {ANNOTATION}; it has {listed([*annotation]) or 'none'}"
        )
    return annotation[normal(key)]


def label_array(value: Any, key: str, label_kind: str, where: str = ANNOTATION) -> np.ndarray:
    """A field as a label; values as they are written, and not yet in the dtype that is stored.

    JSON writes 0.0 and 0 alike, so numbers are floats where `label_kind` names values.

    Args:
      value: number, text, or lists of either that form an array.
      key: name of the field, for messages.
      label_kind: `--label_kind`.
      where: what it is a field of, for messages.

    Returns:
      Array of int64 or float64, or of Python's texts: in an array of NumPy's, each would take as
      many bytes as the longest.

    Raises:
      MissingLabelError: if it is null.
      RejectedInputError: if it is none of these.
    """
    if value == [] and label_kind == "record_classes":
        return np.zeros(0, object)
    try:
        texts = np.asarray(value, object)
        leaves = {type(leaf) for leaf in texts.reshape(-1).tolist()}
        array = np.asarray(value) if leaves <= {int, float, bool} else texts
    except (ValueError, OverflowError, RecursionError):
        leaves, array = set(), np.zeros(0)
    if leaves == {str}:
        return array
    if (
        type(None) in leaves and value is not None and leaves <= {int, float, bool, type(None)}
    ):  # null is not known.
        leaves, array = {float}, np.asarray(value, np.float64)
    if not leaves or not leaves <= {int, float, bool} or array.dtype.kind not in "bif":
        kind = MissingLabelError if value is None else RejectedInputError
        raise kind(
            f"field {key!r} of {where} is {_kind(value)}; expected a number, a text, or a "
            "list of one of them (of lists of one length)"
        )
    is_value = label_kind.endswith("_value") or array.dtype.kind == "f"
    if not is_value:
        return array.astype(np.int64)
    values = array.astype(np.float64)
    narrowed(values, "float32", f"field {key!r} of {where}")  # Refuses what is too large.
    return values


def describe_label(label: np.ndarray, label_kind: str) -> Label:
    """What a label from `label_array` looks like.

    Raises:
      RejectedInputError: see `names.class_counts`.
    """
    if label.dtype.kind == "f":
        return Label.of_numbers(label, "float32", label_kind, is_loose=True)
    return Label.of_classes(label, label.shape, is_loose=True)


def describe_labels(
    labels: Sequence[np.ndarray | None], asked: Sequence[AskedLabel]
) -> tuple[Label | None, ...]:
    """What each of several looks like, as far as they are there.

    Raises:
      RejectedInputError: see `describe_label`.
    """
    return tuple(
        None if label is None else describe_label(label, one.kind)
        for label, one in zip(labels, asked, strict=True)
    )


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", type(None): "null"}
    if isinstance(value, list):
        return "a list of unlike things" if value else "an empty list"
    return names.get(type(value), "a number or true or false")

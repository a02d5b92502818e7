"""Serialized `tf.train.Example`s, byte for byte what protobuf's deterministic serialization gives.

Protobuf copies an array twice more on its way: setting the value, and serializing the message. That
was the largest single cost of a conversion. The layout is of three messages and one map:
https://protobuf.dev/programming-guides/encoding and tensorflow/core/example/{example,feature}.proto
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfrecords_schema.errors import DatasetError

Value = bytes | np.ndarray
Feature = int | Sequence[Value]  # One int64, or a list of bytes.

_MAX_BYTES = (1 << 31) - 1  # What protobuf parses.
# Field number and wire type of what is used here: all fields are length-delimited.
_FIELD_1, _FIELD_2, _FIELD_3 = b"\x0a", b"\x12", b"\x1a"


def encode_example(features: Mapping[str, Feature]) -> bytes:
    """Serializes an Example; arrays are copied once.

    Args:
      features: one int64, or any number of bytes values, by name; C-contiguous arrays count as
        the bytes they hold.

    Raises:
      DatasetError: if the Example is larger than any that can be parsed.
    """
    entries: list[Any] = []
    size = sum(_add_entry(entries, name, features[name]) for name in sorted(features))
    if size > _MAX_BYTES:
        raise DatasetError(f"the record has {size} bytes, at most {_MAX_BYTES} can be read again")
    return b"".join([_FIELD_1, _varint(size), *entries])


def _add_entry(entries: list[Any], name: str, feature: Feature) -> int:
    """Appends the pieces of one entry of the map; returns the number of bytes."""
    key = name.encode()
    head = [_FIELD_1, _varint(len(key)), key, _FIELD_2]
    values = _int64_list(feature) if isinstance(feature, int) else _bytes_list(feature)
    size = _size(values)
    head.append(_varint(size))
    size += _size(head)
    length = _varint(size)
    entries += [_FIELD_1, length, *head, *values]
    return 1 + len(length) + size


def _bytes_list(feature: Sequence[Value]) -> list[Value]:
    values: list[Value] = []
    for value in feature:
        values += [_FIELD_1, _varint(_length(value)), value]
    return [_FIELD_1, _varint(_size(values)), *values]


def _int64_list(value: int) -> list[Value]:
    packed = _varint(value & 0xFFFF_FFFF_FFFF_FFFF)
    return [_FIELD_3, _varint(len(packed) + 2), _FIELD_1, _varint(len(packed)), packed]


def _size(pieces: Sequence[Value]) -> int:
    return sum(map(_length, pieces))


def _length(value: Value) -> int:
    return len(value) if isinstance(value, bytes) else value.nbytes


def _varint(value: int) -> bytes:
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def value_places(
    data: np.ndarray, begin: np.ndarray, names: Sequence[str]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Where the values of features are in many serialized Examples, each of which has all of them.

    Args:
      data: `[bytes]` uint8, not empty.
      begin: `[examples]` where each begins in `data`.
      names: of the features, each of one value.

    Returns:
      By name where the value begins and how many bytes it has, `[examples]` int64; -1 bytes where
      there is no such feature after the one before it, in an Example of `encode_example`.
    """
    places: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    _, at = _varints(data, begin + 1)
    for name in sorted(names):
        key = name.encode()
        head = np.frombuffer(_FIELD_1 + _varint(len(key)) + key + _FIELD_2, np.uint8)
        _, at = _varints(data, at + 1)
        is_there = (data.take(at[:, np.newaxis] + np.arange(len(head)), mode="clip") == head).all(1)
        _, at = _varints(data, at + len(head))
        _, at = _varints(data, at + 1)
        size, at = _varints(data, at + 1)
        places[name] = at, np.where(is_there, size, -1)
        at = at + size
    return places


def int64_values(data: np.ndarray, begin: np.ndarray) -> np.ndarray:
    """The numbers of features of one int64, whose values begin there: `[examples]`."""
    return _varints(data, begin)[0]


def _varints(data: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers `[examples]` int64, and where what comes after them begins."""
    value, goes_on = np.zeros(len(at), np.int64), np.ones(len(at), bool)
    for shift in range(0, 70, 7):
        byte = data.take(at, mode="clip").astype(np.int64)
        value |= (byte & 0x7F) * goes_on << shift
        at = at + goes_on
        goes_on = goes_on & (byte > 0x7F)
        if not goes_on.any():
            break
    return value, at

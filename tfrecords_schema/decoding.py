"""Dataclasses from JSON, by the types of their fields: a file may hold anything.

Nothing is converted, and no code runs but that of the classes that are asked for.
"""

import dataclasses
import io
import json
import re
import reprlib
import types
import typing
import zipfile
from typing import Any, NoReturn

import numpy as np

from tfrecords_schema.errors import DatasetError

_MAX_DEPTH = 50  # What is nested deeper ends Python's own recursion somewhere.
_WHOLE_NUMBER = re.compile("-?(0|[1-9][0-9]{0,18})")
_NAMES = {
    int: "a whole number", float: "a number", str: "a text", bool: "true or false",
    dict: "an object", list: "a list",
}  # fmt: skip


def json_object(content: str | bytes) -> dict[str, Any]:
    """Reads JSON text that holds an object.

    Raises:
      DatasetError: if it holds something else, or is nested too deeply.
    """
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"it is no JSON that can be read ({error})") from error
    inside = [_typed(dict, value, "top level")]
    for _ in range(_MAX_DEPTH):
        values = (item.values() if isinstance(item, dict) else item for item in inside)
        inside = [item for items in values for item in items if isinstance(item, dict | list)]
    if inside:
        raise DatasetError(f"it is nested more than {_MAX_DEPTH} deep")
    return value


def arrays_in(content: bytes, most_bytes: int) -> dict[str, np.ndarray]:
    """The arrays of an npz archive; nothing in it is unpickled.

    Args:
      content: the archive.
      most_bytes: that all its members may unpack to.

    Raises:
      DatasetError: it is no such archive, or unpacks to more.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > most_bytes:
            raise DatasetError(f"it unpacks to {size:,} bytes, expected at most {most_bytes:,}")
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except DatasetError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise errors of many kinds.
        raise DatasetError(f"it is no archive of arrays ({error})") from error
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise DatasetError(f"its member {name!r} is no array")
    return arrays


def decode(kind: Any, value: Any, path: str = "") -> Any:
    """The inverse of `dataclasses.asdict`, after JSON.

    Args:
      kind: a dataclass, int, float, str, bool, `Any`, `Literal`, `X | None`, or a list, tuple,
        NamedTuple, dict or Counter of these. Keys that are whole numbers come sorted.
      value: as `json_object` gives it.
      path: where the value stands, for messages.

    Raises:
      DatasetError: a field is missing, unknown, or not of its type; the message has its path.
    """
    origin, inner = typing.get_origin(kind) or kind, typing.get_args(kind)
    if kind is Any or (value is None and type(None) in inner):
        return value
    if origin in (typing.Union, types.UnionType):
        return decode(inner[0], value, path)
    if origin is typing.Literal:
        return value if value in inner else _refuse(value, f"one of {inner}", path)
    if dataclasses.is_dataclass(origin):
        return _dataclass(kind, _typed(dict, value, path), path)
    if issubclass(origin, list | tuple):
        return _sequence(kind, _typed(list, value, path), path)
    if issubclass(origin, dict):
        return _mapping(kind, _typed(dict, value, path), path)
    return _typed(kind, value, path)


def _dataclass(kind: Any, values: dict[str, Any], path: str) -> Any:
    hints, prefix = typing.get_type_hints(kind), f"{path}." if path else ""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for name in values:
        if name not in fields:
            _refuse(name, f"one of {', '.join(fields)}", f"{prefix}field")
    for name, field in fields.items():
        is_required = field.default is field.default_factory is dataclasses.MISSING
        if is_required and name not in values:
            raise DatasetError(f"{prefix}{name} is missing")
    found = {name: decode(hints[name], value, prefix + name) for name, value in values.items()}
    return kind(**found)


def _sequence(kind: Any, values: list[Any], path: str) -> Any:
    if hasattr(kind, "_fields"):
        make, kinds = kind._make, list(typing.get_type_hints(kind).values())
    else:
        make, kinds = typing.get_origin(kind), [typing.get_args(kind)[0]] * len(values)
    if len(kinds) != len(values):
        _refuse(values, f"{len(kinds)} values", path)
    places = enumerate(zip(kinds, values, strict=True))
    return make([decode(item, value, f"{path}[{place}]") for place, (item, value) in places])


def _mapping(kind: Any, values: dict[str, Any], path: str) -> Any:
    key_kind, value_kind = (*typing.get_args(kind), int)[:2]  # A Counter's values have one type.
    found = {
        _key(key_kind, key, path): decode(value_kind, value, f"{path}[{reprlib.repr(key)}]")
        for key, value in values.items()
    }
    return typing.get_origin(kind)(dict(sorted(found.items())) if key_kind is int else found)


def _key(kind: type, key: str, path: str) -> str | int:
    if kind is str:
        return key
    return int(key) if _WHOLE_NUMBER.fullmatch(key) else _refuse(key, "whole numbers", path)


def _typed(kind: type, value: Any, path: str) -> Any:
    if type(value) is kind or (kind is float and type(value) is int):  # Python's True is an int.
        return value
    return _refuse(value, _NAMES[kind], path)


def _refuse(value: Any, expected: str, path: str) -> NoReturn:
    raise DatasetError(f"{path}: got {reprlib.repr(value)}, expected {expected}")

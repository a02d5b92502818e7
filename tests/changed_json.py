"""Values of JSON with another in any one place, however deep."""

import copy
from collections.abc import Iterator
from typing import Any

# Whatever stands there: null, a text for a number, a number for a text.
OTHERS: list[Any] = [None, "3", 3, -1.5, True, [], {}, [[None]], {"0": {"": []}}, "\x1b[2J" * 99]
MISSING = object()
"""In the place of another value: there is none."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where anything stands in a value: the keys and numbers that lead there."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*path, key)
        if isinstance(item, dict | list):
            yield from places(item, (*path, key))


def changed(value: Any, place: tuple[Any, ...], other: Any) -> Any:
    """A copy with another value, or MISSING, in a place."""
    copied = copy.deepcopy(value)
    inside = copied
    for key in place[:-1]:
        inside = inside[key]
    if other is MISSING:
        del inside[place[-1]]
    else:
        inside[place[-1]] = other
    return copied

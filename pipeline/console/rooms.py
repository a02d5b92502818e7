"""What stands in a room, found by its files: nothing has to be named in a list."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import TypeVar

from tfrecords_schema.names import WIDER_KINDS

Kind = TypeVar("Kind")


def files_of(room: ModuleType) -> Iterator[tuple[str, ModuleType]]:
    """Name and module of every file in a room, in the order of their names."""
    for found in pkgutil.iter_modules(room.__path__):
        if not found.ispkg:
            yield found.name, importlib.import_module(f"{room.__name__}.{found.name}")


def classes_in(room: ModuleType, base: type[Kind]) -> dict[str, type[Kind]]:
    """The class derived from `base` that each file defines, by the name of the file."""
    return {
        name: value
        for name, module in files_of(room)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, base) and value is not base
        if value.__module__ == module.__name__
    }


def label_kind_in(room: ModuleType, base: type[Kind], label_kind: str) -> Kind:
    """What a room knows of a kind of labels, in `<kind>_label.py`, or of the wider kind."""
    found = classes_in(room, base)
    own = found.get(f"{label_kind}_label")
    return own() if own else found[f"{WIDER_KINDS[label_kind]}_label"]()


def first_line(kind: type) -> str:
    """The first line of a class's own docstring; empty without one, whatever its bases have."""
    text = (vars(kind).get("__doc__") or "").strip()
    is_generated = text.startswith(f"{kind.__name__}(")  # By `dataclasses.dataclass`.
    return "" if is_generated else text.partition("\n")[0]


def first_lines(kinds: Mapping[str, type]) -> str:
    """What a help says of each class by its name, in one line."""
    texts = {name: first_line(kind) for name, kind in kinds.items()}
    return " ".join(f"{name}: {text}" if text else f"{name}." for name, text in texts.items())

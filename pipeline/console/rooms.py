"""What stands in a room, found by its files: nothing has to be named in a list."""

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import TypeVar

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

"""The order of the suite: files that train or start processes come first."""

import gc
import types

import pytest

_TAKE_LONG = {
    "subprocess",
    "tests.forks.process",
    "tests.trainer.processes",
    "tests.trainer.in_process",
}


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Two processes share the files; none should be left alone with a long one at the end."""
    items.sort(key=lambda item: not _takes_long(item.module))
    gc.freeze()  # What is imported stays: looking through it again and again takes a tenth.


def _takes_long(module: types.ModuleType) -> bool:
    """Whether a file uses one of the modules, or something of them."""
    known = (getattr(value, "__module__", None) for value in vars(module).values())
    names = (
        value.__name__ for value in vars(module).values() if isinstance(value, types.ModuleType)
    )
    return not _TAKE_LONG.isdisjoint({*known, *names})

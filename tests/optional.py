"""Libraries that only some kinds of raw folder need; where CI runs, all of them must be there."""

import importlib
import os
from typing import Any

import pytest


def optional_library(name: str) -> Any:
    """A library, or a skip of the tests that need it."""
    if os.environ.get("CI"):
        return importlib.import_module(name)
    return pytest.importorskip(name, reason=f"no {name}: `pip install -e '.[test]'`")

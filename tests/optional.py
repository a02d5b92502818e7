"""Libraries that only some kinds of raw folder need; where CI runs, all of them must be there."""

import importlib
import os
from typing import Any

import pytest


def optional_library(name: str) -> Any:
    """A library, or a skip of the tests that need it."""
    return importlib.import_module(name) if os.environ.get("CI") else pytest.importorskip(name)

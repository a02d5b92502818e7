"""Damaged files of every kind and format: each is read as described, or rejected with a reason.

A kind that has no file in `benchmarks/faults/kind_files.py` fails here.
"""

import pathlib

import pytest

from benchmarks.faults.fuzz_kinds import damage
from benchmarks.faults.kind_files import formats
from pipeline.console.errors import UsageError
from tests.optional import optional_library

_INPUTS = 12


@pytest.mark.parametrize(("kind", "name"), formats())
def test_each_is_read_or_rejected(tmp_path: pathlib.Path, kind: str, name: str) -> None:
    try:
        counts = damage(tmp_path, kind, formats()[kind, name], inputs=_INPUTS, seed=1)
    except UsageError as error:  # Of the good file, before one is damaged.
        if isinstance(error.__cause__, ImportError) and error.__cause__.name:
            optional_library(error.__cause__.name)
        raise
    assert counts["faults"] == 0
    assert counts["read"] + counts["rejected"] == _INPUTS
    assert counts["rejected"] > 0

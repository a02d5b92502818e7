"""Damaged files of every kind and format: each is read as described, or rejected with a reason.

A kind that has no file in `benchmarks/faults/kind_files.py` fails here.
"""

import pathlib

import pytest

from benchmarks.faults.fuzz_kinds import damage
from benchmarks.faults.kind_files import formats
from tests.optional import optional_library

_LIBRARIES = {
    "arrays": ("h5py", "scipy"), "audio": ("soundfile", "scipy"), "edf": ("edfio",),
    "signals": ("scipy",), "tables": ("scipy",), "video": ("av",), "wfdb": ("wfdb",),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), formats())
def test_each_is_read_or_rejected(tmp_path: pathlib.Path, kind: str, name: str) -> None:
    for library in _LIBRARIES.get(kind, ()):
        optional_library(library)
    counts = damage(tmp_path, kind, formats()[kind, name], inputs=12, seed=1)
    assert counts["faults"] == 0
    assert counts["read"] + counts["rejected"] == 12
    assert counts["rejected"] > 0
    assert counts["slowest"] < 10

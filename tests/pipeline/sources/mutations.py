"""Inputs of a source, and damaged files: each is read as described, or rejected with a reason."""

import pathlib

import numpy as np

from pipeline.console.errors import RejectedInputError
from pipeline.sources.source import InputFile, Source

_COUNT = 40
_CHANGED_BYTES = 6


def inputs_of(source: Source) -> list[InputFile]:
    """The inputs that a source lists, without what it passes over."""
    return [file for file in source.list_inputs() if isinstance(file, InputFile)]


def require_read_or_rejected(
    source: Source, path: str, damaged: pathlib.Path, header_bytes: int
) -> int:
    """Damages a file in many ways; anything else than a reject, or what was described, is raised.

    Args:
      source: reads it.
      path: of the input.
      damaged: the file of the input that is damaged; whole again in the end.
      header_bytes: half of the changes are in as many first bytes.

    Returns:
      The number of rejects.
    """
    whole, rejects = damaged.read_bytes(), 0
    for seed in range(_COUNT):
        rng = np.random.default_rng(seed)
        content = bytearray(whole[: rng.integers(1, len(whole))] if seed % 4 == 0 else whole)
        end = min(len(content), header_bytes) if seed % 2 else len(content)
        for place in rng.integers(0, end, _CHANGED_BYTES):
            content[place] = rng.integers(0, 256)
        damaged.write_bytes(content)
        try:
            described = source.describe(path)
            raw = source.read(path)
        except RejectedInputError:
            rejects += 1
        else:
            assert described.size_bytes <= source.options.max_record_mib * 2**20
            assert len(raw.data) == described.steps
            assert raw.checksum == described.checksum
    damaged.write_bytes(whole)
    return rejects

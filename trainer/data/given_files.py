"""Recordings that are there as dicts of arrays, read as a conversion reads npz files."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Iterator, Mapping
from typing import IO, Any

import numpy as np

from pipeline.console.errors import RejectedInputError
from pipeline.sources.files import FoundFile
from pipeline.sources.kinds import source_like
from tfrecords_schema import DatasetError

_KINDS, _PATH = ("signals", "arrays"), "recording.npz"


class _OneFile:
    """A file system with one file; implements `Files`."""

    def __init__(self, content: bytes):
        self._content = content

    def list(self, folder: str, *, follow_links: bool = False) -> Iterator[FoundFile]:
        yield FoundFile(f"{folder}{_PATH}", len(self._content), 0.0)

    def exists(self, path: str) -> bool:
        return path.endswith(_PATH)

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        yield io.BytesIO(self._content)


def read_given(
    arrays: Mapping[str, Any], number: int, options: dict[str, Any]
) -> tuple[np.ndarray, int]:
    """`[time, *step_shape]` of a recording, and the samples that its last step lacks.

    Args:
      arrays: what an npz file would hold; no label.
      number: of the recording, for messages.
      options: those that a manifest records.

    Raises:
      DatasetError: if it cannot be read so.
    """
    if options.get("source") not in _KINDS:
        raise DatasetError(
            f"recording {number} is a dict of arrays, which is for models of files with named "
            "arrays; give an array that is as the model takes it, or a folder"
        )
    try:
        files = _OneFile(_npz(arrays))
        source = source_like({**options, "source": _KINDS[0]}, "given", files)
        return source.read_data(_PATH), source.padding(_PATH)
    except (RejectedInputError, ValueError) as error:
        raise DatasetError(f"recording {number}: {error}") from error


def _npz(arrays: Mapping[str, Any]) -> bytes:
    """A file as `numpy.savez` writes it.

    Raises:
      ValueError: an array holds objects.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)
    return content.getvalue()

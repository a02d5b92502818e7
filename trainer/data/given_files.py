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
from pipeline.sources.frames.beside import joined
from pipeline.sources.kinds import source_like
from pipeline.sources.names import normal
from tfrecords_schema import DatasetError, InputSpec
from trainer.data.raw_batches import checked

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


def frames_given(
    given: Any, number: int, spec: InputSpec, options: dict[str, Any]
) -> tuple[Any, np.ndarray | None]:
    """Frames of a recording as they are given, and what is stored of the numbers beside them.

    Args:
      given: a dict of `frames`, and of what the conversion named in `--beside_key`.
      number: of the recording, for messages.
      spec: what the model takes.
      options: those that a manifest records.

    Raises:
      DatasetError: something is not there, or does not fit.
    """
    keys = options.get("beside_key") or [*spec.beside]
    missing = [
        key for key in (spec.kind, *keys) if not isinstance(given, Mapping) or key not in given
    ]
    if missing:
        raise DatasetError(
            f"recording {number} has no {', '.join(missing)}; expected a dict of arrays, "
            f"{', '.join((spec.kind, *keys))}, as the model takes numbers beside each frame"
        )
    try:
        numbers = {normal(key): given[key] for key in keys}
        beside = joined(numbers, len(given[spec.kind]), keys, options.get("beside_samples", ()))
        return given[spec.kind], checked(beside, spec)
    except RejectedInputError as error:
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

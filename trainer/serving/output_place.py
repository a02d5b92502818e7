"""Where predictions go, so that nothing else is overwritten."""

import os
import posixpath
import zipfile
from collections.abc import Sequence
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from pipeline.console.errors import UsageError
from tfrecords_schema.flushing import local_path
from tfrecords_schema.places import gfile
from tfrecords_schema.storage import temporary_path

# Of every table of predictions, and of every npz file beside one; see `write_predictions`.
_COLUMNS = ["id", "source", "steps"]
_MEMBERS = {"id.npy", "lengths.npy", "output.npy"}
_HEAD_BYTES = 100


def require_no_input(files: Sequence[str], inputs: Sequence[str]) -> None:
    """Refuses to write a file in the place of an input, or within one that is a folder.

    Raises:
      UsageError: if that would happen.
    """
    places = [posixpath.join(posixpath.realpath(path), "") for path in inputs]
    for file in files:
        found = posixpath.join(posixpath.realpath(file), "")
        if any(found.startswith(place) for place in places):
            raise UsageError(
                f"predictions would be written to {file}, which is one of the inputs or within "
                "one; give another --output"
            )


def require_replaceable(files: Sequence[str]) -> None:
    """Refuses to write predictions over something else, before the work for them.

    Args:
      files: of predictions, in .csv, .parquet or .npz.

    Raises:
      UsageError: one is there that is no predictions, nor empty; or no file can have its name.
    """
    for path in files:
        if (local := local_path(path)) is not None:
            try:
                os.lstat(temporary_path(local))  # The longest name that it will have.
            except FileNotFoundError:
                pass
            except OSError as error:
                raise UsageError(f"--output={path}: {error.strerror}; give another one") from error
        if not _may_be_replaced(path):
            raise UsageError(
                f"{path} is no file of predictions, and is left as it is; give another --output"
            )


def _may_be_replaced(path: str) -> bool:
    try:
        with gfile.open_file(path, "rb") as file:
            return not file.read(1) or _has_predictions(path, file)
    except tf.errors.NotFoundError:
        return True
    except (tf.errors.OpError, pa.ArrowException, zipfile.BadZipFile, OSError):
        return False


def _has_predictions(path: str, file: IO[bytes]) -> bool:
    file.seek(0)
    if path.endswith(".csv"):
        return file.read(_HEAD_BYTES).startswith(",".join(_COLUMNS).encode())
    if path.endswith(".parquet"):
        return pq.read_schema(file).names[: len(_COLUMNS)] == _COLUMNS
    with zipfile.ZipFile(file) as archive:
        return {*archive.namelist()} >= _MEMBERS

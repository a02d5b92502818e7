"""The libraries that read files of a field: extras, and what goes wrong in them."""

import contextlib
import functools
import importlib
import importlib.util
import io
import os
import posixpath
import tempfile
import warnings
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from types import ModuleType
from typing import IO, Any

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.sources.files import Files, open_local, require_file
from pipeline.sources.options import require_size
from tfrecords_schema.errors import UserError

_PACKAGE = "variable-length-training"
_PROBE_BYTES = 1 << 20
_BUFFER_BYTES = 1 << 16


def require_library(name: str, extra: str) -> None:
    """Refuses to begin without a library; it is not imported.

    Raises:
      UsageError: if it is not installed; the message says which extra has it.
    """
    if importlib.util.find_spec(name) is None:
        text = _missing(name, extra, "reads such files", "is not installed")
        raise UsageError(text) from ModuleNotFoundError(text, name=name)


@functools.cache
def library(name: str, extra: str, does: str = "reads such files") -> ModuleType:
    """Imports a library of an extra, which then keeps its warnings to itself.

    Args:
      name: of the library.
      extra: that has it.
      does: what it is for, for the message.

    Raises:
      UsageError: if it cannot be imported.
    """
    try:
        module = importlib.import_module(name)
    except (ImportError, OSError) as error:
        raise UsageError(_missing(name, extra, does, f"cannot be imported ({error})")) from error
    warnings.filterwarnings("ignore", module=rf"{name}(\.|$)")
    return module


def _missing(name: str, extra: str, does: str, what: str) -> str:
    return (
        f"the library {name.partition('.')[0]}, which {does}, {what}; "
        f"pip install '{_PACKAGE}[{extra}]', or '.[{extra}]' in a copy of its code"
    )


def reading(name: str) -> AbstractContextManager[None]:
    """Turns whatever a library raises at a damaged file into a rejection.

    Raises:
      RejectedInputError: the block raised something else than a `UserError`.
    """
    return _Reading(name)


class _Reading(AbstractContextManager[None]):
    """No generator, as one takes longer than the header of a small file."""

    def __init__(self, name: str):
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, UserError):
            # Parsers raise anything at what they do not expect.
            text = " ".join(str(error).split())[:300] or type(error).__name__
            raise RejectedInputError(
                f"{self._name} cannot read it ({text}); copy it again, or remove it"
            ) from error


class _Raw(io.RawIOBase):
    """A file of any file system as Python's own are, which libraries insist on."""

    def __init__(self, file: IO[bytes]):
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._file.seek(offset, whence)
        return self._file.tell()

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)


@contextlib.contextmanager
def open_file(files: Files, path: str) -> Iterator[io.BufferedReader]:
    """Opens a file to read its bytes, with all that Python's own files can.

    Raises:
      RejectedInputError: if it is missing or cannot be read.
    """
    with contextlib.ExitStack() as stack:
        try:
            if "://" in path:
                raw: Any = _Raw(stack.enter_context(files.open(path)))
            else:
                raw = stack.enter_context(open_local(path, buffering=0))
        except OSError as error:
            raise RejectedInputError(f"it cannot be read ({error}); copy it again") from error
        yield io.BufferedReader(raw, _BUFFER_BYTES)


def path_or_file(files: Files, path: str) -> AbstractContextManager[str | io.BufferedReader]:
    """What a library that takes either reads fastest: the name of a local file, else the file.

    Raises:
      RejectedInputError: if it is missing, cannot be read, or is local and no file.
    """
    require_file(path)
    return open_file(files, path) if "://" in path else contextlib.nullcontext(path)


def fingerprint(files: Files, path: str) -> str:
    """Changes when a file does: its size and time, or, of a remote one, its size and its ends.

    Raises:
      RejectedInputError: if it is missing or cannot be read.
    """
    try:
        if "://" not in path:
            found = os.stat(path)
            return f"{found.st_size}:{found.st_mtime_ns}"
        with open_file(files, path) as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            crc = zlib.crc32(file.read(_PROBE_BYTES))
            file.seek(max(0, size - _PROBE_BYTES))
            return f"{size}:{zlib.crc32(file.read(_PROBE_BYTES), crc):08x}"
    except OSError as error:
        raise RejectedInputError(f"it cannot be read ({error}); copy it again") from error


@contextlib.contextmanager
def local_path(files: Files, path: str, max_mib: float) -> Iterator[str]:
    """Where a library that opens files by their name finds one; a remote one is copied.

    Raises:
      RejectedInputError: if it is remote and larger than `max_mib`, cannot be read, or is local
        and no file.
    """
    require_file(path)
    if "://" not in path:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        target = posixpath.join(folder, posixpath.basename(path))
        try:
            with open_file(files, path) as file, open(target, "wb") as copy:
                require_size("it", file.seek(0, io.SEEK_END), "max_record_mib", max_mib)
                file.seek(0)
                while block := file.read(_PROBE_BYTES):
                    copy.write(block)
        except OSError as error:
            raise RejectedInputError(f"it cannot be read ({error}); copy it again") from error
        yield target

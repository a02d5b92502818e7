"""Objects of a store as Python's own files: read in ranges, written in one piece."""

import io
import os
import tempfile
from typing import Any

from tfrecords_schema.places.store import Store
from tfrecords_schema.places.store_error import StoreError

_BLOCK_BYTES = 4 << 20
_PIECE_BYTES = 16 << 20


class _Ranges(io.RawIOBase):
    """An object, read where it is asked for; positions past the end are the end."""

    def __init__(self, store: Store, path: str):
        self._store, self._path, self._position = store, path, 0
        self.size_bytes = store.stat(path).length
        self.failure: StoreError | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        starts = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size_bytes}
        position = starts[whence] + offset
        if position < 0:
            raise OSError(f"position {position} is before the start of the file")
        self._position = min(position, self.size_bytes)
        return self._position

    def readinto(self, buffer: Any) -> int:
        content = self._next(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def readall(self) -> bytes:
        pieces = []
        while piece := self._next(_PIECE_BYTES):
            pieces.append(piece)
        return b"".join(pieces)

    def _next(self, most: int) -> bytes:
        start = self._position
        end = min(start + most, self.size_bytes)
        if start >= end:
            return b""
        try:
            content = self._store.read(self._path, start, end)
        except StoreError as error:
            self.failure = error
            raise
        self._position = end
        return content


class StoreReader(io.BufferedReader):
    """Reads an object."""

    raw: _Ranges

    def __init__(self, store: Store, path: str):
        super().__init__(_Ranges(store, path), _BLOCK_BYTES)

    def size(self) -> int:
        """Bytes of the object."""
        return self.raw.size_bytes

    def require_answers(self) -> None:
        """Raises what a library kept to itself that was given this file.

        Raises:
          StoreError: the store did not answer.
        """
        if self.raw.failure:
            raise self.raw.failure


class StoreWriter:
    """Writes an object: into a local file first, as what was sent in part cannot be sent again.

    After an error within its `with` block there is no object, or still the one that was there.
    """

    closed = False  # pyarrow asks, and only before the end.

    def __init__(self, store: Store, path: str, begins_with: bytes = b""):
        self._store, self._path = store, path
        handle, self._local = tempfile.mkstemp()
        self._file = os.fdopen(handle, "wb")
        self.write(begins_with)

    def write(self, content: Any) -> None:
        """Appends bytes, or what pyarrow holds them in; text as UTF-8."""
        self._file.write(content.encode() if isinstance(content, str) else bytes(content))

    def tell(self) -> int:
        """Where the next byte goes."""
        return self._file.tell()

    def flush(self) -> None:
        """Nothing is there before the end."""

    def close(self) -> None:
        """Sends what was written."""
        self._end(sends=True)

    def __enter__(self) -> "StoreWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._end(sends=kind is None)

    def _end(self, *, sends: bool) -> None:
        self._file.close()
        try:
            if sends:
                self._store.put(self._local, self._path)
        finally:
            os.unlink(self._local)

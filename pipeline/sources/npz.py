"""Reading npz files member by member, never unpickling.

What a file declares is checked before it is read: the size of its directory, of its members and of
their arrays. No member is unpacked beyond the size that it declares.
"""

import contextlib
import functools
import io
import math
import struct
import sys
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple, Protocol

import numpy as np
from isal import isal_zlib

from pipeline.console.errors import RejectedInputError
from pipeline.sources.files import Files
from pipeline.sources.names import normal
from pipeline.sources.options import MAX_RECORD_MIB, require_size

_SUFFIX = ".npy"
_DAMAGED = (
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    struct.error,
    SyntaxError,
    tokenize.TokenError,
)
# What np.savez and np.savez_compressed write; others unpack without a bound on their ratio.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
NPY_HEADER_BYTES = 12_288  # NumPy reads headers of up to 10,000 characters.
_MAGIC_BYTES = 8  # With the version.
# By version: NumPy's reader, and the bytes of the header's length, which comes first.
_HEADER_READERS = {
    (1, 0): (np.lib.format.read_array_header_1_0, 2),
    (2, 0): (np.lib.format.read_array_header_2_0, 4),
}
_MAX_DIRECTORY_BYTES = 4 << 20  # Some 40,000 arrays.
_UNREADABLE = (NotImplementedError, RuntimeError)  # Unknown compression, encryption.


class ArrayHeader(NamedTuple):
    """What an npy header says of its array."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype


class ArrayFile(Protocol):
    """An open file with arrays under names."""

    @property
    def keys(self) -> list[str]:
        """Names of the arrays, in the file's order."""

    @property
    def checksum(self) -> str:
        """Changes with the content of any array."""

    def header(self, key: str) -> ArrayHeader:
        """Reads the header of one array, not its data.

        Raises:
          RejectedInputError: if the array is not plain numbers or text, or is too large.
        """

    def array(self, key: str) -> np.ndarray:
        """Reads one array.

        Raises:
          RejectedInputError: like `header`, or if it is damaged.
        """


class NpzFile:
    """The arrays of one open npz file; implements `ArrayFile`.

    `keys`, as `normal` has them, are in the file's order.
    """

    def __init__(self, archive: zipfile.ZipFile, file: IO[bytes], max_array_mib: float):
        self._archive = archive
        self._file = file
        self._max_array_mib = max_array_mib
        self._headers: dict[str, ArrayHeader] = {}
        self._members = {
            normal(info.filename.removesuffix(_SUFFIX)): info
            for info in archive.infolist()
            if info.filename.endswith(_SUFFIX)
        }

    @property
    def keys(self) -> list[str]:
        """Names of the arrays."""
        return list(self._members)

    @property
    def checksum(self) -> str:
        """The members' CRC-32 from the zip directory; changes with any member's content."""
        return ",".join(f"{name}:{info.CRC:08x}" for name, info in sorted(self._members.items()))

    def header(self, key: str) -> ArrayHeader:
        """Reads the header of one array, not its data.

        Raises:
          RejectedInputError: if the array is not plain numbers or text, is too large, or is cut
            short.
        """
        if key in self._headers:
            return self._headers[key]
        info = self._checked_member(key)
        header, start = read_npy_header(self._read(info, NPY_HEADER_BYTES), key)
        expected = start + math.prod(header.shape) * header.dtype.itemsize
        if info.file_size != expected:
            raise RejectedInputError(
                f"array {key!r}: the header announces {expected} bytes, the file holds "
                f"{info.file_size}; write the file again"
            )
        self._headers[key] = header
        return header

    def array(self, key: str) -> np.ndarray:
        """Reads one array; its checksum is verified.

        Raises:
          RejectedInputError: like `header`.
        """
        content = self._read_whole(self._checked_member(key))
        return npy_array(content, *read_npy_header(content, key))

    def _checked_member(self, key: str) -> zipfile.ZipInfo:
        info = self._members[key]
        if info.compress_type not in _COMPRESSIONS:
            raise NotImplementedError(f"array {key!r}: compression {info.compress_type}")
        require_size(f"array {key!r}", info.file_size, "max_record_mib", self._max_array_mib)
        return info

    def _read_whole(self, info: zipfile.ZipInfo) -> bytes:
        """A whole member; zlib's CRC-32, which zipfile takes, needs 13 times as long as ISA-L's."""
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            return self._read(info, info.file_size)
        with self._archive.open(info):  # Checks the member's own header and stops behind it.
            content = self._file.read(info.file_size)
        if len(content) < info.file_size:
            raise EOFError
        if isal_zlib.crc32(content) != info.CRC:
            raise zipfile.BadZipFile(f"Bad CRC-32 for file {info.filename!r}")
        return content

    def _read(self, info: zipfile.ZipInfo, size_bytes: int) -> bytes:
        with self._archive.open(info) as file:
            # With a size, and not all of it: zipfile would unpack up to 2 GiB at once and only
            # then cut that to what the member declares.
            return file.read(min(size_bytes, info.file_size))


@contextlib.contextmanager
def open_npz(path: str, files: Files, max_array_mib: float = MAX_RECORD_MIB) -> Iterator[NpzFile]:
    """Opens an npz file; whatever is wrong with it while it is open becomes a rejection.

    Args:
      path: the file.
      files: where it is.
      max_array_mib: larger arrays are rejected before they are read.

    Raises:
      RejectedInputError: if the file is missing, no zip file, or damaged.
    """
    try:
        with (
            files.open(path) as file,
            zipfile.ZipFile(_DirectoryReader(file)) as archive,
        ):
            archive.fp = file
            yield NpzFile(archive, file, max_array_mib)
    except RejectedInputError:
        raise
    except zipfile.BadZipFile as error:
        raise RejectedInputError(
            f"not a whole npz file ({error}); copy it again, or write it with numpy.savez"
        ) from error
    except _DAMAGED as error:
        raise RejectedInputError(
            f"damaged or not readable ({_text(error)}); copy it again, or write it with numpy.savez"
        ) from error
    except _UNREADABLE as error:
        raise RejectedInputError(
            f"zip feature that npz files do not use ({error}); write it with numpy.savez"
        ) from error


class _DirectoryReader:
    """The file as `zipfile` reads its directory, which it does in one piece, however large."""

    def __init__(self, file: IO[bytes]):
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if size > _MAX_DIRECTORY_BYTES:
            raise RejectedInputError(
                f"its zip directory has {size} bytes, more than {_MAX_DIRECTORY_BYTES}; write it "
                "with numpy.savez"
            )
        return self._file.read(size)


def read_npy_header(content: bytes, key: str) -> tuple[ArrayHeader, int]:
    """The header of an npy file that begins like this, and at which byte its data starts.

    Raises:
      RejectedInputError: if it holds Python objects, or has fields.
      ValueError: if it is none.
    """
    version = np.lib.format.read_magic(io.BytesIO(content[:_MAGIC_BYTES]))
    if version not in _HEADER_READERS:
        raise RejectedInputError(
            f"array {key!r}: npy format {version} is for structured arrays; save plain arrays"
        )
    read_header, length_bytes = _HEADER_READERS[version]
    start = _MAGIC_BYTES + length_bytes
    start += int.from_bytes(content[_MAGIC_BYTES:start], "little")
    try:
        header = _parse_header(read_header, content[_MAGIC_BYTES : min(start, NPY_HEADER_BYTES)])
    except (MemoryError, RecursionError, TypeError, IndexError, AttributeError) as error:
        # NumPy evaluates the header as a Python literal, which a hostile one overstrains.
        raise ValueError(f"array {key!r}: its header cannot be read") from error
    if header.dtype.hasobject:
        raise RejectedInputError(
            f"array {key!r} holds Python objects, which are never unpickled; save it with a "
            "numeric or text dtype (ragged lists: one file per recording)"
        )
    return header, start


def npy_array(content: bytes, header: ArrayHeader, start: int = 0) -> np.ndarray:
    """The array of an npy file whose values begin at `start` of `content`.

    Raises:
      ValueError: they are too few, or are to be text and no characters, which NumPy fails at later.
    """
    flat = np.frombuffer(content, header.dtype, offset=start)
    if header.dtype.kind == "U":
        codes = flat.view(np.dtype(np.uint32).newbyteorder(header.dtype.byteorder))
        if codes.max(initial=0) > sys.maxunicode:
            raise ValueError(f"a character of number {codes.max()}, beyond Unicode")
    return flat.reshape(header.shape, order="F" if header.fortran_order else "C")


@functools.lru_cache(maxsize=256)  # A set has few; NumPy takes 40 us for each.
def _parse_header(read_header: Callable[[IO[bytes]], Any], content: bytes) -> ArrayHeader:
    return ArrayHeader(*read_header(io.BytesIO(content)))


def _text(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__

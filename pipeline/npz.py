"""Reading npz files member by member, never unpickling."""

import contextlib
import io
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, NamedTuple

import numpy as np

from pipeline.errors import RejectedInputError
from pipeline.files import Files

_SUFFIX = ".npy"
_DAMAGED = (
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    struct.error,
    SyntaxError,
    tokenize.TokenError,
)
_UNREADABLE = (NotImplementedError, RuntimeError)  # Unknown compression, encryption.


class ArrayHeader(NamedTuple):
    """What an npy header says of its array."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype


class NpzFile:
    """The arrays of one open npz file; `keys` are in the file's order."""

    def __init__(self, archive: zipfile.ZipFile):
        self._archive = archive
        self._members = {
            info.filename.removesuffix(_SUFFIX): info
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
          RejectedInputError: if the array is not plain numbers or text, or is cut short.
        """
        info = self._members[key]
        with self._archive.open(info) as file:
            header = _read_header(file, key)
            expected = file.tell() + math.prod(header.shape) * header.dtype.itemsize
        if info.file_size != expected:
            raise RejectedInputError(
                f"array {key!r}: the header announces {expected} bytes, the file holds "
                f"{info.file_size}; write the file again"
            )
        return header

    def array(self, key: str) -> np.ndarray:
        """Reads one array; its checksum is verified.

        Raises:
          RejectedInputError: like `header`.
        """
        content = self._archive.read(self._members[key])
        file = io.BytesIO(content)
        header = _read_header(file, key)
        flat = np.frombuffer(content, header.dtype, offset=file.tell())
        return flat.reshape(header.shape, order="F" if header.fortran_order else "C")


@contextlib.contextmanager
def open_npz(path: str, files: Files) -> Iterator[NpzFile]:
    """Opens an npz file; whatever is wrong with it while it is open becomes a rejection.

    Raises:
      RejectedInputError: if the file is missing, no zip file, or damaged.
    """
    try:
        with (
            files.open(path) as file,
            zipfile.ZipFile(file) as archive,
        ):
            yield NpzFile(archive)
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


def _read_header(file: IO[bytes], key: str) -> ArrayHeader:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        header = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        header = np.lib.format.read_array_header_2_0(file)
    else:
        raise RejectedInputError(
            f"array {key!r}: npy format {version} is for structured arrays; save plain arrays"
        )
    if header[2].hasobject:
        raise RejectedInputError(
            f"array {key!r} holds Python objects, which are never unpickled; save it with a "
            "numeric or text dtype (ragged lists: one file per recording)"
        )
    return ArrayHeader(*header)


def _text(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__

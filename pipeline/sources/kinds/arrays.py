"""npy, HDF5 and MAT files, a recording each, with the options that npz files have."""

import contextlib
import dataclasses
import io
import itertools
import math
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import IO, Any

import numpy as np

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.console.options import option
from pipeline.sources.kinds.signals import SignalOptions, SignalSource
from pipeline.sources.names import normal
from pipeline.sources.npz import (
    NPY_HEADER_BYTES,
    ArrayFile,
    ArrayHeader,
    npy_array,
    read_npy_header,
)
from pipeline.sources.options import require_size
from pipeline.sources.recordings.hdf5 import datasets, find_groups, is_hdf5, own_group
from pipeline.sources.recordings.libraries import fingerprint, library, open_file, reading
from pipeline.sources.source import InputFile
from tfrecords_schema.left_out import LeftOut

_GROUP_OF = re.compile(r"(.*?\.(?:h5|hdf5|hdf|mat))/(.*)", re.IGNORECASE | re.DOTALL)
_MAX_ARRAYS = 10_000
_MAT_DTYPES = {
    "double": "float64", "single": "float32", "logical": "bool", "char": "U",
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class ArrayOptions(SignalOptions):
    """npy, HDF5 and MAT files."""

    many_per_file: bool = option(
        False,
        "Each group of an HDF5 file that has an array --signal_key is a recording, a.h5/group, "
        "with the arrays and attributes of that group.",
    )

    def check(self) -> None:
        """See `Options`."""
        super().check()
        if self.many_per_file and not self.signal_key:
            raise UsageError("--many_per_file needs --signal_key, by which groups are found")
        if self.many_per_file and self.target_dir:
            raise UsageError("--many_per_file does not go with --target_dir; leave one out")


@dataclasses.dataclass(frozen=True)
class ArraySource(SignalSource):
    """npy, HDF5 and MAT files, a recording each, read as npz files are.

    Arrays of HDF5 are named by their path, a/b; attributes of its root are arrays, too. Nothing is
    unpickled; MATLAB's objects, cells and structures are no arrays. A MAT array of one row or one
    column is a vector, without --time_axis.
    """

    options: ArrayOptions
    suffix = (".npy", ".h5", ".hdf5", ".hdf", ".mat")
    input_name = "npy, HDF5 or MAT file"

    def list_inputs(self) -> Iterator[InputFile | LeftOut]:
        """Lists the files, or the recordings in them."""
        for file in super().list_inputs():
            if isinstance(file, LeftOut) or not self.options.many_per_file or not file.size_bytes:
                yield file
                continue
            try:
                place = self.full_path(file.path)
                found = (find_groups(self.files, place, k) for k in self.options.signal_keys)
                groups = [*dict.fromkeys(itertools.chain(*found))]
            except RejectedInputError as error:
                yield file._replace(problem=str(error))
                continue
            for group in groups:
                yield file._replace(path=f"{file.path}/{group}")
            if not groups:
                why = f"no group of it has an array {self.options.signal_key!r} (--signal_key)"
                yield file._replace(problem=f"{why}; remove it")

    def record_id(self, path: str) -> str:
        """The path without the file's suffix."""
        file, group = self._parts(path)
        return "/".join(filter(None, [super().record_id(file), normal(group)]))

    def full_path(self, path: str) -> str:
        """Where the file is that a recording is in."""
        return super().full_path(self._parts(path)[0])

    def _parts(self, path: str) -> tuple[str, str]:
        """The file's path, and the group in it that is meant; empty if it is the whole file."""
        found = _GROUP_OF.fullmatch(path) if self.options.many_per_file else None
        return (found[1], found[2]) if found else (path, "")

    def open_input(self, path: str) -> AbstractContextManager[ArrayFile]:
        """See `SignalSource`."""
        return self._open(self.full_path(path), self._parts(path)[1])

    def open_arrays(self, path: str) -> AbstractContextManager[ArrayFile]:
        """See `SignalSource`."""
        return self._open(path, "")

    @contextlib.contextmanager
    def _open(self, path: str, group: str) -> Iterator[ArrayFile]:
        limit_mib = self.options.max_record_mib
        checksum = fingerprint(self.files, path)
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(open_file(self.files, path))
            if path.lower().endswith(".npy"):
                yield _Npy(file, checksum, limit_mib)
            elif is_hdf5(file):
                is_mat = path.lower().endswith(".mat")
                with reading("h5py"):
                    opened = stack.enter_context(library("h5py", "arrays").File(file, "r"))
                    opened = own_group(opened, group)
                yield _Hdf5(opened, checksum, limit_mib, is_mat, not self.options.time_axis)
            elif not path.lower().endswith(".mat"):
                raise RejectedInputError("it is no HDF5 file, as its name says; write it again")
            else:
                yield _Mat(file, checksum, limit_mib, not self.options.time_axis)


class _Arrays:
    """Implements `ArrayFile`: what is large is refused before it is read."""

    def __init__(self, checksum: str, limit_mib: float):
        self.checksum = checksum
        self._limit_mib = limit_mib
        self._headers: dict[str, ArrayHeader] = {}

    @property
    def keys(self) -> list[str]:
        return [*self._headers]

    def header(self, key: str) -> ArrayHeader:
        header = self._headers[key]
        size = math.prod(header.shape) * max(header.dtype.itemsize, 1)
        require_size(f"array {key!r}", size, "max_record_mib", self._limit_mib)
        return header

    def array(self, key: str) -> np.ndarray:
        header = self.header(key)
        found = self._read(key)
        if found.shape != header.shape:
            raise RejectedInputError(
                f"array {key!r} has shape {list(found.shape)}, its header says "
                f"{list(header.shape)}; write the file again"
            )
        return found

    def _read(self, key: str) -> np.ndarray:
        raise NotImplementedError


class _Npy(_Arrays):
    """An npy file is one array, which is called `array`."""

    def __init__(self, file: IO[bytes], checksum: str, limit_mib: float):
        super().__init__(checksum, limit_mib)
        self._file = file
        with reading("numpy"):
            header, self._start = read_npy_header(file.read(NPY_HEADER_BYTES), "array")
            size = file.seek(0, io.SEEK_END)
        self._headers["array"] = header
        expected = self._start + math.prod(header.shape) * header.dtype.itemsize
        if size != expected:
            raise RejectedInputError(
                f"its header announces {expected} bytes, the file holds {size}; write it again"
            )

    def _read(self, key: str) -> np.ndarray:
        with reading("numpy"):
            self._file.seek(self._start)
            return npy_array(self._file.read(), self._headers[key])


class _Hdf5(_Arrays):
    def __init__(self, file: Any, checksum: str, limit_mib: float, is_mat: bool, squeezes: bool):
        super().__init__(checksum, limit_mib)
        self._is_mat, self._squeezes = is_mat, squeezes
        self._found: dict[str, Any] = {}
        with reading("h5py"):
            self._found.update(itertools.islice(datasets(file), _MAX_ARRAYS))
            for name in [*file.attrs][:_MAX_ARRAYS]:
                self._found.setdefault(name, _Attribute(file.attrs, name))
            self._headers = {key: self._header_of(found) for key, found in self._found.items()}

    def _header_of(self, item: Any) -> ArrayHeader:
        is_text = self._is_mat and item.attrs.get("MATLAB_class") == b"char"
        dtype = np.dtype("U") if is_text or _is_text(item.dtype) else item.dtype
        shape = () if is_text else self._turned(tuple(item.shape or ()))
        return ArrayHeader(shape, False, dtype)

    def _turned(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """MATLAB's axes, which HDF5 has the other way round."""
        return _vector(shape[::-1], self._squeezes) if self._is_mat else shape

    def header(self, key: str) -> ArrayHeader:
        header = super().header(key)
        if header.dtype.kind not in "biufUS":
            raise RejectedInputError(
                f"array {key!r} holds {header.dtype}, no plain numbers or text; save it as such"
            )
        item = self._found[key]
        _require_own(item, key, self._limit_mib)
        if header.dtype.kind == "U":  # Which says nothing of how long it is.
            self._require_text(key, math.prod(item.shape or ()) * item.dtype.itemsize)
        return header

    def _require_text(self, key: str, size_bytes: int) -> None:
        require_size(f"the text of array {key!r}", size_bytes, "max_record_mib", self._limit_mib)

    def _read(self, key: str) -> np.ndarray:
        item, header = self._found[key], self._headers[key]
        with reading("h5py"):
            if header.dtype.kind != "U":
                values = np.asarray(item[()])
                return values.transpose().reshape(header.shape) if self._is_mat else values
            if self._is_mat:  # 16 bit letters.
                codes = np.asarray(item[()]).transpose().reshape(-1)
                return np.array("".join(map(chr, codes.tolist())))
            texts = np.asarray(item.asstr()[()], object)
        longest = max(map(len, texts.reshape(-1)), default=0)
        self._require_text(key, 4 * longest * texts.size)  # NumPy takes the longest for each.
        return texts.astype(str)


class _Attribute:
    """An attribute as an array; a text is one."""

    is_virtual, external, chunks = False, None, None

    def __init__(self, attributes: Any, name: str):
        self._value = attributes[name]
        self.attrs: dict[str, Any] = {}
        texts = isinstance(self._value, str)
        array = np.asarray(self._value)
        self.shape, self.dtype = array.shape, np.dtype("U") if texts else array.dtype

    def __getitem__(self, _: tuple[()]) -> Any:
        return self._value

    def asstr(self) -> "_Attribute":
        return self


class _Mat(_Arrays):
    def __init__(self, file: IO[bytes], checksum: str, limit_mib: float, squeezes: bool):
        super().__init__(checksum, limit_mib)
        self._file, self._squeezes = file, squeezes
        self._scipy = library("scipy.io", "arrays")
        with reading("scipy"):
            for name, shape, kind in self._scipy.whosmat(file):
                shape = () if kind == "char" and len(shape) == 2 and shape[0] == 1 else shape
                dtype = np.dtype(_MAT_DTYPES.get(kind, "O"))
                self._headers[name] = ArrayHeader(_vector(tuple(shape), squeezes), False, dtype)

    def header(self, key: str) -> ArrayHeader:
        header = super().header(key)
        if header.dtype.hasobject:
            raise RejectedInputError(
                f"array {key!r} is a cell, structure or object of MATLAB; save plain arrays"
            )
        return header

    def _read(self, key: str) -> np.ndarray:
        with reading("scipy"):
            self._file.seek(0)
            found = self._scipy.loadmat(self._file, variable_names=[key])[key]
            return np.asarray(found).reshape(self._headers[key].shape)


def _vector(shape: tuple[int, ...], squeezes: bool) -> tuple[int, ...]:
    """MATLAB has no vectors, only arrays of one row or one column."""
    is_vector = squeezes and len(shape) == 2 and 1 in shape
    return (
        (() if shape == (1, 1) else (max(shape) if 0 not in shape else 0,)) if is_vector else shape
    )


def _is_text(dtype: np.dtype) -> bool:
    return library("h5py", "arrays").check_string_dtype(dtype) is not None


def _require_own(item: Any, key: str, limit_mib: float) -> None:
    """What lies in other files is theirs; a piece of a compressed array is unpacked as a whole."""
    if item.is_virtual or item.external:
        raise RejectedInputError(f"array {key!r} lies in other files; save it in this one")
    if item.chunks:
        size = math.prod(item.chunks) * max(item.dtype.itemsize, 1)
        require_size(f"a piece of array {key!r}", size, "max_record_mib", limit_mib)

"""What is in an HDF5 file, by links within it: a link may lead in a circle, or to other files."""

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import IO, Any

from pipeline.console.errors import RejectedInputError
from pipeline.sources.files import Files
from pipeline.sources.recordings.libraries import library, open_file, reading

_START = b"\x89HDF\r\n\x1a\n"
# Behind a block of the user's own, as MATLAB writes one (HDF5 file format 3.0, II.A).
_PLACES = (0, *(512 << doublings for doublings in range(22)))
_MAX_DEPTH = 20
_MAX_DATASETS = 10_000_000


def is_hdf5(file: IO[bytes]) -> bool:
    """Whether a file is one; it is at its beginning afterwards.

    Raises:
      RejectedInputError: if it cannot be read.
    """
    with reading("Python"):
        for place in _PLACES:
            file.seek(place)
            start = file.read(len(_START))
            if start == _START:
                return True
            if len(start) < len(_START):  # Each place behind its end would be asked for, too.
                break
        file.seek(0)
    return False


def datasets(group: Any) -> Iterator[tuple[str, Any]]:
    """Path and item of every dataset in a group, each once."""
    return _datasets(group, "", 0, set())


def _datasets(group: Any, path: str, depth: int, visited: set[int]) -> Iterator[tuple[str, Any]]:
    h5py = library("h5py", "arrays")
    address = h5py.h5o.get_info(group.id).addr
    if address in visited:
        return
    visited.add(address)
    for name in group if depth < _MAX_DEPTH else ():
        if name.startswith("#"):  # MATLAB's own.
            continue
        item = _own(group, name)
        if isinstance(item, h5py.Group):
            yield from _datasets(item, f"{path}{name}/", depth + 1, visited)
        elif isinstance(item, h5py.Dataset):
            yield f"{path}{name}", item


def _own(group: Any, name: str) -> Any:
    """An item of a group, or None for what is linked in another way."""
    is_own = isinstance(group.get(name, getlink=True), library("h5py", "arrays").HardLink)
    return group[name] if is_own else None


def own_group(file: Any, path: str) -> Any:
    """The group at a path within a file.

    Raises:
      RejectedInputError: if there is none.
    """
    for name in path.split("/") if path else ():
        file = _own(file, name)
        if not isinstance(file, library("h5py", "arrays").Group):
            raise RejectedInputError(f"there is no group {path!r} in it any more; look there")
    return file


@functools.lru_cache(maxsize=16)
def find_groups(files: Files, place: str, key: str) -> Sequence[str]:
    """Paths of the groups in a file that have a dataset `key`; of a file that is none, none.

    Raises:
      RejectedInputError: if it is damaged.
    """
    with open_file(files, place) as file:
        if not is_hdf5(file):
            return ()
        with reading("h5py"), library("h5py", "arrays").File(file, "r") as opened:
            paths = [path for path, _ in itertools.islice(datasets(opened), _MAX_DATASETS)]
    ending = f"/{key}"
    return tuple(path.removesuffix(ending) for path in paths if path.endswith(ending))

"""Weights from a file of Keras: how much it would unpack to, before any of it is.

A file of some MB may hold zeros that unpack to many GB. One that claims much more than the network
that it is for is not what anybody saved.
"""

import io
import zipfile
from typing import IO, Any

import h5py
import keras

from tfrecords_schema.errors import UserError

# Of the network: a file may have its classifier, and an optimizer with two moments of each weight.
_MOST_COPIES, _BESIDES_BYTES = 6, 64 << 20
_H5 = ".h5"


def require_fitting(path: str, model: keras.Model) -> None:
    """Refuses a file that unpacks to much more than the weights of a model.

    Args:
      path: a local `.h5`, `.weights.h5` or `.keras` file; others are left to Keras.
      model: takes the weights.

    Raises:
      UserError: it does, or has parts elsewhere.
    """
    most = _BESIDES_BYTES + _MOST_COPIES * 4 * model.count_params()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _require(sum(member.file_size for member in members), most, path)
            for member in members:
                if member.filename.endswith(_H5):
                    _require_h5(io.BytesIO(archive.read(member)), most, path)
    elif h5py.is_hdf5(path):
        with open(path, "rb") as file:
            _require_h5(file, most, path)


def _require_h5(file: IO[bytes], most: int, path: str) -> None:
    sizes: list[int] = []

    def add(_: str, found: Any) -> None:
        if isinstance(found, h5py.Dataset):
            if found.external or found.is_virtual:
                raise UserError(f"{path} has arrays in other files; save the weights in one")
            sizes.append(found.size * found.dtype.itemsize)

    with h5py.File(file, "r") as content:
        content.visititems(add)  # Not through links to other files.
    _require(sum(sizes), most, path)


def _require(size: int, most: int, path: str) -> None:
    if size > most:
        raise UserError(
            f"{path} unpacks to {size:,} bytes, the network with an optimizer takes {most:,} at "
            "most; give weights saved from that network"
        )

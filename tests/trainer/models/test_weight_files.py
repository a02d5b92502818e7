"""Weight files that claim to hold much more than they, or the network, have."""

import zipfile

import h5py
import keras
import numpy as np
import pytest

from tfrecords_schema.errors import UserError
from trainer.models.parts.weight_files import require_fitting


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return keras.Sequential([keras.layers.Input([3]), keras.layers.Dense(4)])


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras"])
def test_what_keras_saved_fits(suffix, model, tmp_path):
    path = str(tmp_path / f"saved{suffix}")
    (model.save_weights if suffix == ".weights.h5" else model.save)(path)
    require_fitting(path, model)


def _bomb(path: str) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("a/b", (1 << 32,), np.float32, chunks=(1 << 22,), compression="gzip")


def test_arrays_that_unpack_to_gigabytes_are_refused(model, tmp_path):
    path = tmp_path / "bomb.weights.h5"
    _bomb(str(path))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(UserError, match="unpacks to 17,179,869,184 bytes, the network with an"):
        require_fitting(str(path), model)
    with zipfile.ZipFile(tmp_path / "bomb.keras", "w") as archive:
        archive.write(path, "model.weights.h5")
    with pytest.raises(UserError, match="unpacks to 17,179,869,184 bytes"):
        require_fitting(str(tmp_path / "bomb.keras"), model)


def test_a_member_that_unpacks_to_much_more_is_refused(model, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(100 << 20))
    with pytest.raises(UserError, match="unpacks to 104,857,600 bytes"):
        require_fitting(str(tmp_path / "a.keras"), model)


def test_arrays_in_other_files_are_refused(model, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(64))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", (4,), "f4", external=[(str(tmp_path / "secret"), 0, 16)])
    with pytest.raises(UserError, match="has arrays in other files"):
        require_fitting(str(tmp_path / "a.h5"), model)

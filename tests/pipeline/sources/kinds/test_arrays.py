"""npy, HDF5 and MAT files: read as npz files are, nothing unpickled, no other file opened."""

import pathlib
from typing import Any

import numpy as np
import pytest

from pipeline.console.errors import RejectedInputError
from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds import make_source
from pipeline.sources.kinds.arrays import ArrayOptions, ArraySource
from tests.optional import optional_library
from tests.pipeline.conversions import Converter, Folders, read_records, rejects

h5py = optional_library("h5py")
scipy_io = optional_library("scipy.io")
_SIGNAL = np.random.default_rng(0).normal(size=(20, 3))
_NAMES = ["a.h5", "a.mat", "b.mat"]  # b.mat: MATLAB 7.3, which is HDF5.


def _source(folders: Folders, **options: Any) -> ArraySource:
    return ArraySource(ArrayOptions(str(folders.inputs), "", "test", **options), GFiles())


def _write(folders: Folders, name: str, **arrays: Any) -> pathlib.Path:
    path = folders.inputs / name
    if name == "a.mat":
        scipy_io.savemat(path, arrays, do_compression=True)
        return path
    block = {"userblock_size": 512} if name == "b.mat" else {}
    with h5py.File(path, "w", **block) as file:
        for key, value in arrays.items():
            if name == "a.h5":
                file[key] = value
            elif isinstance(value, str):
                file[key] = np.array([[ord(letter)] for letter in value], np.uint16)
                file[key].attrs["MATLAB_class"] = np.bytes_("char")
            else:
                file[key] = np.atleast_2d(value).T
                file[key].attrs["MATLAB_class"] = np.bytes_("double")
    return path


@pytest.mark.parametrize("name", _NAMES)
def test_arrays_are_those_that_were_written(folders: Folders, name: str) -> None:
    _write(folders, name, eeg=_SIGNAL, label="walk", who=7, sr=100)
    source = _source(folders, group_key="who")
    described, raw = source.describe(name), source.read(name)
    np.testing.assert_array_equal(raw.data, _SIGNAL.astype(np.float32))
    np.testing.assert_array_equal(source.read_data(name), raw.data)
    assert (described.group, described.labels[0].classes) == ("7", ("walk",))
    assert raw.labels[0].item() == "walk"
    assert raw.checksum == described.checksum


@pytest.mark.parametrize("name", _NAMES)
def test_several_signals_and_values_are_joined(folders: Folders, name: str) -> None:
    slow = np.arange(10.0)
    _write(folders, name, eeg=_SIGNAL, slow=slow, age=63, sex="f", note="n")
    options = ArrayOptions(
        str(folders.inputs), "", "test", signal_key="eeg,slow", signal_rates_hz=(2.0, 1.0),
        input_values=("age", "sex"), value_classes=("f", "m"),
    )  # fmt: skip
    expected = np.concatenate(
        [_SIGNAL.reshape(10, 6), slow[:, np.newaxis], np.tile([63.0, 1, 0], (10, 1))], 1
    )
    found = make_source(options, GFiles()).read(name)
    np.testing.assert_array_equal(found.data, expected.astype(np.float32))


def test_of_many_recordings_in_a_file_each_has_several_signals(folders: Folders) -> None:
    with h5py.File(folders.inputs / "a.h5", "w") as file:
        for group, keys in {"one": ("eeg", "slow"), "two": ("eeg",), "other": ("x",)}.items():
            for key in keys:
                file[f"{group}/{key}"] = np.arange(4.0) if key == "eeg" else np.arange(2.0)
    options = {"signal_key": "eeg,slow", "signal_rates_hz": (2.0, 1.0), "many_per_file": True}
    source = _source(folders, **options)
    assert sorted(file.path for file in source.list_inputs()) == ["a.h5/one", "a.h5/two"]
    np.testing.assert_array_equal(source.read_data("a.h5/one"), [[0, 1, 0], [2, 3, 1]])
    with pytest.raises(RejectedInputError, match="no array 'slow'"):
        source.describe("a.h5/two")


@pytest.mark.parametrize("name", _NAMES)
def test_labels_of_steps_and_channels_first(folders: Folders, name: str) -> None:
    _write(folders, name, x=_SIGNAL, y=np.arange(20) % 2)
    assert _source(folders).read(name).labels[0].reshape(-1).tolist() == [0, 1] * 10
    _write(folders, name, x=_SIGNAL.T)
    source = _source(folders, time_axis=1, window_samples=5)
    assert source.describe(name).step_shape == (5, 3)
    expected = _SIGNAL.astype(np.float32).reshape(4, 5, 3)
    np.testing.assert_array_equal(source.read(name).data, expected)


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_npy_file_is_one_array(folders: Folders, order: Any) -> None:
    values = np.asarray(_SIGNAL, np.int16, order)
    np.save(folders.inputs / "a.npy", values)
    raw = _source(folders).read("a.npy")
    np.testing.assert_array_equal(raw.data, values)
    assert raw.labels[0] is None


def test_hdf5_has_arrays_in_groups_and_attributes(folders: Folders) -> None:
    with h5py.File(folders.inputs / "a.h5", "w") as file:
        file.create_dataset("raw/eeg", data=_SIGNAL, chunks=(5, 3), compression="gzip")
        file.attrs["label"] = "walk"
        file.attrs["who"] = 3
    source = _source(folders, signal_key="raw/eeg", group_key="who")
    assert source.describe("a.h5").group == "3"
    assert source.read("a.h5").labels[0].item() == "walk"
    with pytest.raises(
        RejectedInputError, match=r"no array 'x' .*; the file has raw/eeg, label, who"
    ):
        _source(folders, signal_key="x").describe("a.h5")


def test_no_link_leads_out_of_the_file_or_in_circles(folders: Folders) -> None:
    _write(folders, "a.h5", secret=_SIGNAL)
    with h5py.File(folders.inputs / "b.h5", "w") as file:
        file["outside"] = h5py.ExternalLink("a.h5", "secret")
        file["soft"] = h5py.SoftLink("/outside")
        group = file.create_group("g")
        for number in range(3):
            group[f"again_{number}"] = group[f"root_{number}"] = file["/"]
        layout = h5py.VirtualLayout(shape=_SIGNAL.shape, dtype="f8")
        layout[:] = h5py.VirtualSource("a.h5", "secret", shape=_SIGNAL.shape)
        file.create_virtual_dataset("virtual", layout)
    with pytest.raises(RejectedInputError, match="'virtual' lies in other files"):
        _source(folders, signal_key="virtual").describe("b.h5")
    with pytest.raises(RejectedInputError, match="no array 'outside'"):
        _source(folders, signal_key="outside").describe("b.h5")


@pytest.mark.parametrize("shape", [(10**6, 10**6), (10**4, 10**5)])
def test_what_is_announced_is_not_believed(folders: Folders, shape: tuple[int, int]) -> None:
    with h5py.File(folders.inputs / "a.h5", "w") as file:
        file.create_dataset("x", shape, "f4", chunks=(100, 100))
    with pytest.raises(RejectedInputError, match=r"array 'x' has .* more than --max_record_mib"):
        _source(folders).describe("a.h5")


def test_a_piece_of_an_array_may_not_be_larger_than_it(folders: Folders) -> None:
    with h5py.File(folders.inputs / "a.h5", "w") as file:
        file.create_dataset("x", (10, 10), "f4", chunks=(10**5, 10**4), maxshape=(None, None))
    with pytest.raises(RejectedInputError, match="a piece of array 'x' has"):
        _source(folders, max_record_mib=10).describe("a.h5")


@pytest.mark.parametrize("kind", ["one", "ragged", "matlab"])
def test_a_text_may_not_be_larger_than_an_array(folders: Folders, kind: str) -> None:
    name = "a.mat" if kind == "matlab" else "a.h5"
    with h5py.File(folders.inputs / name, "w") as file:
        file["eeg"] = _SIGNAL
        if kind == "one":
            file.create_dataset("label", (), f"S{3 << 20}")
        elif kind == "ragged":  # 200 KB, of which NumPy would make 8 GB.
            file["label"] = ["a" * 100_000, *["b"] * 19_999]
        else:
            file.create_dataset("label", (3 << 19, 1), np.uint16, chunks=(1000, 1))
            file["label"].attrs["MATLAB_class"] = np.bytes_("char")
    source = _source(folders, max_record_mib=2, signal_key="eeg")
    with pytest.raises(
        RejectedInputError, match=r"the text of array 'label' has .* bytes, more th"
    ):
        source.describe(name)


def test_nothing_is_unpickled(folders: Folders) -> None:
    class _Trap:
        def __reduce__(self) -> Any:
            return (pytest.fail, ("it was unpickled",))

    trap = np.array([_Trap()], object)
    np.save(folders.inputs / "a.npy", trap, allow_pickle=True)
    scipy_io.savemat(folders.inputs / "a.mat", {"x": np.array([[1, "a"]], object)})
    with h5py.File(folders.inputs / "a.h5", "w") as file:
        file["x"] = np.void(b"pickled")
    for name, message in {
        "a.npy": "Python objects, which are never unpickled",
        "a.mat": "cell, structure or object",
        "a.h5": "no array could be the signal|no plain numbers",
    }.items():
        with pytest.raises(RejectedInputError, match=message):
            _source(folders).describe(name)


@pytest.mark.parametrize("suffix", ["h5", "mat"])
def test_one_file_holds_many_recordings(suffix: str, converter: Converter) -> None:
    folder = converter.folders.inputs
    with h5py.File(folder / f"all.{suffix}", "w") as file:
        for number in range(10):
            group = file.create_group(f"s{number // 2}/day{number % 2}")
            values = np.full((5 + number, 2), number, np.float32)
            group["emg/x"] = values.T if suffix == "mat" else values  # As MATLAB writes it.
            group.attrs["label"] = number % 2
        file["#refs#/x"] = np.zeros(3)  # As MATLAB writes it, in front of all others.
        file["s9"] = h5py.SoftLink("/s0")
        file["other"] = np.zeros(3)
    with h5py.File(folder / "none.h5", "w") as file:
        file["other"] = np.zeros(3)
    dataset = converter.dataset(
        "--source=arrays", "--many_per_file", "--signal_key=emg/x", "--group_regex=s\\d",
        "--splits=train=1",
    )  # fmt: skip
    records = read_records(dataset)
    assert {*records} == {f"all/s{n // 2}/day{n % 2}" for n in range(10)}
    for number in range(10):
        record = records[f"all/s{number // 2}/day{number % 2}"]
        assert record["signal"].shape == (5 + number, 2)
        assert (record["signal"] == number).all()
        assert record["label"] == number % 2
    (reject,) = rejects(dataset)
    assert "no group of it has an array 'emg/x'" in reject["reason"]
    assert converter.run("--source=arrays", "--many_per_file").code == 2


@pytest.mark.parametrize("block_bytes", [512, 4096, 65_536])
def test_hdf5_may_begin_behind_a_block_of_the_users_own(folders: Folders, block_bytes: int) -> None:
    with h5py.File(folders.inputs / "a.h5", "w", userblock_size=block_bytes) as file:
        file["x"] = _SIGNAL
    np.testing.assert_array_equal(_source(folders).read("a.h5").data, _SIGNAL.astype(np.float32))


def test_only_mat_files_may_be_no_hdf5(folders: Folders) -> None:
    (folders.inputs / "a.h5").write_bytes(b"no such thing" * 100)
    with pytest.raises(RejectedInputError, match="it is no HDF5 file, as its name says"):
        _source(folders).describe("a.h5")

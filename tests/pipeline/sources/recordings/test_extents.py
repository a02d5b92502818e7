"""Channels, rates and sections of arrays: what every other kind of recording has, too."""

from typing import Any

import numpy as np
import pytest

from pipeline.console.errors import RejectedInputError
from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds.arrays import ArrayOptions, ArraySource
from pipeline.sources.kinds.signals import SignalOptions, SignalSource
from tests.optional import optional_library
from tests.pipeline.conversions import Converter, Folders, read_records, write_npz
from trainer.data.raw_batches import RawFolder

_NAMES = np.array(["Fpz ", "EOG", "EMG"])
_VALUES = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)


def _source(folders: Folders, **options: Any) -> SignalSource:
    return SignalSource(
        SignalOptions(str(folders.inputs), "", "test", signal_key="x", **options), GFiles()
    )


@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
def test_channels_are_chosen_by_name_and_order(folders: Folders, dtype: str) -> None:
    values = (_VALUES * 100).astype(dtype)
    write_npz(folders, "a", x=values, names=_NAMES, label=np.arange(100) % 3)
    source = _source(folders, channels=("E*", "Fpz"), channel_key="names", sample_rate_hz=10)
    described, raw = source.describe("a.npz"), source.read("a.npz")
    expected = values[:, [1, 2, 0]].astype(dtype if dtype != "float64" else "float32")
    np.testing.assert_array_equal(raw.data, expected, strict=True)
    assert [channel.name for channel in described.channels] == ["EOG", "EMG", "Fpz"]
    assert described.dtype == expected.dtype.name
    np.testing.assert_array_equal(raw.labels[0], np.arange(100) % 3)
    by_number = _source(folders, channels=("2", "0"), from_secs=2.05, to_secs=4, sample_rate_hz=10)
    described, raw = by_number.describe("a.npz"), by_number.read("a.npz")
    np.testing.assert_array_equal(raw.data, expected[21:40][:, [1, 2]])
    assert raw.labels[0].tolist() == (np.arange(21, 40) % 3).tolist()
    assert (described.steps, described.labels[0].shape) == (19, (19,))
    zero = _source(folders, channels=("9", "1"), missing_channels="zero").read("a.npz")
    np.testing.assert_array_equal(zero.data, np.stack([0 * values[:, 0], values[:, 1]], 1))


def test_files_of_unequal_rates_become_one(folders: Folders) -> None:
    polyphase = optional_library("scipy.signal").resample_poly
    label = np.arange(100) // 10
    write_npz(folders, "a", x=_VALUES.T.astype(np.float64), fs=np.float64(25), label=label)
    write_npz(folders, "b", x=(_VALUES.T * 9).astype(np.int16), fs=100, label=label)
    source = _source(folders, time_axis=1, rate_key="fs", resample_hz=50, window_secs=0.5)
    for name, (up, down) in {"a": (2, 1), "b": (1, 2)}.items():
        described, raw = source.describe(f"{name}.npz"), source.read(f"{name}.npz")
        given = np.load(folders.inputs / f"{name}.npz")["x"].T.astype(np.float64)
        expected = polyphase(given, up, down).astype(np.float32)
        steps = len(expected) // 25
        found = raw.data.reshape(-1, 3)
        np.testing.assert_allclose(found, expected[: steps * 25], rtol=1e-6, atol=1e-6)
        assert (described.steps, described.dtype, described.rate_hz) == (steps, "float32", 50)
        assert described.labels[0].shape == (len(expected),)
        assert raw.labels[0].tolist() == (label.repeat(2) if up == 2 else label[::2]).tolist()
    with pytest.raises(RejectedInputError, match="channel 0 has 25 samples per second, not"):
        _source(folders, time_axis=1, rate_key="fs", sample_rate_hz=100).describe("a.npz")


def test_a_rate_that_no_file_says_is_given(folders: Folders) -> None:
    optional_library("scipy")
    write_npz(folders, "a", x=_VALUES)
    with pytest.raises(RejectedInputError, match="give --file_rate_hz"):
        _source(folders, resample_hz=5).describe("a.npz")
    assert _source(folders, resample_hz=5, file_rate_hz=20).describe("a.npz").steps == 25


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ({"x": _VALUES[None]}, {"channels": ("0",)}, r"shape \[1, 100, 3\]; channels, rates"),
        ({"x": _VALUES}, {"channels": ("a",)}, "no channel 'a'"),
        ({"x": _VALUES}, {"rate_key": "fs"}, "no array 'fs'"),
        ({"x": _VALUES, "fs": -1}, {"rate_key": "fs"}, "no rate; expected one number above 0"),
        ({"x": _VALUES, "n": ["a"]}, {"channel_key": "n"}, "has 1 values of <U1, the signal has 3"),
        ({"x": _VALUES}, {"from_secs": 1}, "rate is not known, which --from_secs"),
        ({"x": _VALUES[:0]}, {"channels": ("1",)}, "no sample"),
    ],
)
def test_what_has_no_such_channels_is_rejected(
    folders: Folders, arrays: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    write_npz(folders, "a", **arrays)
    with pytest.raises(RejectedInputError, match=message):
        _source(folders, **options).describe("a.npz")


def test_hdf5_has_them_too(folders: Folders) -> None:
    h5py = optional_library("h5py")
    with h5py.File(folders.inputs / "a.h5", "w") as file:
        file["eeg/x"] = _VALUES
        file["eeg/names"] = [name.encode() for name in _NAMES]
        file.attrs["fs"] = 50
    options = ArrayOptions(
        str(folders.inputs), "", "test", signal_key="eeg/x", channel_key="eeg/names",
        rate_key="fs", channels=("EMG",),
    )  # fmt: skip
    source = ArraySource(options, GFiles())
    np.testing.assert_array_equal(source.read("a.h5").data, _VALUES[:, 2:])
    assert source.describe("a.h5").rate_hz == 50


def test_what_is_predicted_is_read_by_the_names_of_the_set(converter: Converter) -> None:
    for number in range(10):
        write_npz(converter.folders, str(number), x=_VALUES + number, names=_NAMES, fs=10)
    dataset = converter.dataset(
        "--signal_key=x", "--channel_key=names", "--rate_key=fs", "--non_finite=mask",
        "--window_samples=10", "--splits=train=1",
    )  # fmt: skip
    assert dataset.manifest.options["channels"] == ["Fpz", "EOG", "EMG", "is_recorded"]
    kinds = [role.kind for role in dataset.schema.input.roles]
    assert kinds == ["signal", "signal", "signal", "flag"]
    turned = converter.folders.output / "turned"
    turned.mkdir()
    np.savez(turned / "3.npz", x=_VALUES[:, ::-1] + 3, names=_NAMES[::-1], fs=10)
    (batch,) = RawFolder(str(turned), dataset.schema.input, dataset.manifest.options).batches(1)
    found = batch.inputs["signal"][0]
    np.testing.assert_array_equal(found, read_records(dataset)["3"]["signal"])

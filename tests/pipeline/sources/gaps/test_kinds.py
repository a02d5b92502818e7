"""One rule for gaps, whatever the kind of file: each is written with the same gaps."""

import pathlib
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from pipeline.console.errors import RejectedInputError
from pipeline.sources.source import InputFile, Source
from tests.optional import optional_library
from tests.pipeline.conversions import Converter, Folders, read_records
from tests.pipeline.sources.made import inputs_of, source_of
from tfrecords_schema.left_out import LeftOut
from tfrecords_schema.names import INDEX
from trainer.data.raw_batches import RawFolder

_HZ, _SECS = 10, 8
_GAPS = [(20, 30), (50, 60)]  # Whole seconds, as EDF has them.


def _values() -> np.ndarray:
    values = np.round(np.random.default_rng(0).uniform(-90, 90, (_HZ * _SECS, 2)))
    for start, stop in _GAPS:
        values[start:stop] = np.nan
    return values.astype(np.float32)


def _npz(folder: pathlib.Path, values: np.ndarray) -> None:
    np.savez(folder / "a.npz", signal=values, fs=_HZ)


def _npy(folder: pathlib.Path, values: np.ndarray) -> None:
    np.save(folder / "a.npy", values.T)


def _csv(folder: pathlib.Path, values: np.ndarray) -> None:
    """The rows of gaps are not there."""
    rows = [f"{i / _HZ},{x},{y}\n" for i, (x, y) in enumerate(values) if np.isfinite(x)]
    (folder / "a.csv").write_text("".join(["t,x,y\n", *rows]))


def _wav(folder: pathlib.Path, values: np.ndarray) -> None:
    optional_library("soundfile").write(folder / "a.wav", values, _HZ, subtype="FLOAT")


def _wfdb(folder: pathlib.Path, values: np.ndarray) -> None:
    optional_library("wfdb").wrsamp(
        "a", _HZ, ["mV"] * 2, ["x", "y"], values.astype(np.float64), fmt=["16"] * 2,
        adc_gain=[100, 100], baseline=[0, 0], write_dir=str(folder),
    )  # fmt: skip


def _edf(folder: pathlib.Path, values: np.ndarray) -> None:
    """EDF+D: the data records of gaps are not there, the times of the others are their own."""
    edfio = optional_library("edfio")
    kept = values[np.isfinite(values[:, 0])]
    signals = [
        edfio.EdfSignal(
            column.astype(float), _HZ, physical_range=(-100, 100), digital_range=(-10_000, 10_000)
        )
        for column in kept.T
    ]
    path = folder / "a.edf"
    edfio.Edf(signals, annotations=[], data_record_duration=1).write(path)
    secs = iter(np.flatnonzero(np.isfinite(values[::_HZ, 0])).tolist())
    content = path.read_bytes().replace(b"EDF+C", b"EDF+D")
    text = re.sub(rb"\+\d\x14\x14", lambda _: b"+%d\x14\x14" % next(secs), content)
    path.write_bytes(text)


_RATE = {"sample_rate_hz": _HZ}
_KINDS: dict[str, tuple[str, Callable[[pathlib.Path, np.ndarray], None], dict[str, Any]]] = {
    "npz": ("signals", _npz, {"rate_key": "fs", "signal_key": "signal"}),
    "npy": ("arrays", _npy, {"time_axis": 1, **_RATE}),
    "csv": ("tables", _csv, {"time_column": "t"}),
    "wav": ("audio", _wav, {}),
    "wfdb": ("wfdb", _wfdb, {}),
    "edf": ("edf", _edf, {}),
}


def _source(folders: Folders, name: str, **options: Any) -> Source:
    kind, write, own = _KINDS[name]
    write(folders.inputs, _values())
    return source_of(kind, folders.inputs, **own, **options)


def _only(source: Source) -> str:
    (file,) = inputs_of(source)
    return file.path


def _require_equal(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.02)  # EDF has 16 bits.


@pytest.mark.parametrize("name", _KINDS)
def test_gaps_are_filled_masked_or_zero(folders: Folders, name: str) -> None:
    values = _values()
    places, known = np.arange(len(values)), np.isfinite(values[:, 0])
    lines = np.stack([np.interp(places, places[known], c[known]) for c in values.T], 1)
    source = _source(folders, name, non_finite="fill", max_fill_secs=1)
    found = source.read(_only(source))
    _require_equal(found.data, lines)
    assert [left.count for left in found.left_out] == [40]
    source = _source(folders, name, non_finite="mask", window_samples=20)
    described, found = source.describe(_only(source)), source.read(_only(source))
    _require_equal(found.data[..., :2].reshape(-1, 2), lines)
    assert found.data[..., 2].reshape(-1).tolist() == known.tolist()
    assert (described.steps, described.step_shape) == (4, (20, 3))
    assert [channel.kind for channel in described.channels] == ["signal", "signal", "flag"]
    source = _source(folders, name, non_finite="zero")
    _require_equal(source.read(_only(source)).data, np.nan_to_num(values))
    source = _source(folders, name, non_finite="fill", max_fill_secs=0.9)
    with pytest.raises(RejectedInputError, match="a gap of 1 s, longer than"):
        source.read(_only(source))


@pytest.mark.parametrize("name", _KINDS)
def test_recordings_are_split_at_gaps(folders: Folders, name: str) -> None:
    values = _values()
    source = _source(folders, name, non_finite="split")
    parts = {file.path: source.describe(file.path) for file in inputs_of(source)}
    assert [path.rpartition("#")[2] for path in parts] == ["0-20", "30-50", "60-80"]
    for path, described in parts.items():
        start, stop = map(int, path.rpartition("#")[2].split("-"))
        raw = source.read(path)
        _require_equal(raw.data, values[start:stop])
        assert (described.record_id, described.group) == (f"a#{start}-{stop}", "a")
        assert source.group_and_split(path) == ("a", "")
        assert (described.steps, described.checksum) == (stop - start, raw.checksum)
    short, none = _source(folders, name, non_finite="split", window_samples=25).list_inputs()
    assert isinstance(short, LeftOut)
    assert short.count == 3
    assert isinstance(none, InputFile)
    assert "no stretch without gaps" in none.problem
    source = _source(folders, name, non_finite="split", from_secs=1, to_secs=4.5)
    assert [f.path.rpartition("#")[2] for f in inputs_of(source)] == ["10-20", "30-45"]


@pytest.mark.parametrize("name", ["csv", "edf"])
def test_time_without_samples_is_rejected_from_the_header(folders: Folders, name: str) -> None:
    source = _source(folders, name)
    with pytest.raises(RejectedInputError, match="with --non_finite what becomes of gaps"):
        source.describe(_only(source))


def test_gaps_are_closed_before_the_rate_changes(folders: Folders) -> None:
    optional_library("scipy")
    source = _source(folders, "npz", non_finite="mask", resample_hz=20)
    found = source.read("a.npz").data
    assert found.shape == (160, 3)
    assert found[:, 2].tolist() == np.isfinite(_values()[:, 0]).repeat(2).tolist()
    assert np.abs(found[:, :2]).max() < 150  # A jump to 0 and back would ring.


def test_stretches_are_converted_and_predicted(converter: Converter) -> None:
    folder = converter.folders.inputs
    for number in range(12):
        values, labels = _values() + number, np.repeat(np.arange(8) % 2, _HZ)
        np.savez(folder / f"{number}.npz", signal=values, label=labels)
    dataset = converter.dataset(
        "--non_finite=split", "--window_samples=10", "--splits=train=0.5,test=0.5"
    )
    records = read_records(dataset)
    assert len(records) == 36
    _require_equal(records["3#30-50"]["signal"], _values()[30:50].reshape(2, 10, 2) + 3)
    assert records["3#30-50"]["label"].tolist() == [1, 0]
    splits: dict[str, set[str]] = {}
    for row in pyarrow.parquet.read_table(f"{dataset.path}/{INDEX}").to_pylist():
        splits.setdefault(row["group"], set()).add(row["split"])
    assert len(splits) == 12
    assert all(len(of_group) == 1 for of_group in splits.values())
    raw = RawFolder(str(folder), dataset.schema.input, dataset.manifest.options)
    batches = [*raw.batches(50)]
    assert sorted(batches[0].ids) == sorted(records)
    for number, name in enumerate(batches[0].ids):
        steps = batches[0].steps[number]
        np.testing.assert_array_equal(
            batches[0].inputs["signal"][number, :steps], records[name]["signal"]
        )

"""EDF and BDF files: values as edfio has them, annotations as classes of steps."""

import datetime
import pathlib
from typing import Any

import numpy as np
import pytest

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds import edf
from pipeline.sources.kinds.edf import EdfOptions, EdfSource
from tests.optional import optional_library
from tests.pipeline.conversions import Folders
from tests.pipeline.sources.made import inputs_of

edfio = optional_library("edfio")
_SECS = 12
_STAGES = [(0, 4, "Sleep stage W"), (4, 5, "Sleep stage 2"), (9, 3, "Sleep stage R")]


def _source(folders: Folders, **options: Any) -> EdfSource:
    return EdfSource(EdfOptions(str(folders.inputs), "", "test", **options), GFiles())


def _write(
    folders: Folders,
    name: str,
    rates_hz: tuple[int, ...] = (100, 100, 10),
    *,
    annotations: Any = None,
    start: datetime.time | None = None,
) -> pathlib.Path:
    rng = np.random.default_rng(len(name))
    kind, signal = (edfio.Edf, edfio.EdfSignal)
    if name.endswith(".bdf"):
        kind, signal = (edfio.Bdf, edfio.BdfSignal)
    signals = [
        signal(rng.normal(size=_SECS * rate), rate, label=label, physical_dimension="uV")
        for rate, label in zip(rates_hz, ("EEG Fpz-Cz", "EEG Pz-Oz", "EMG"), strict=False)
    ]
    found = None if annotations is None else [edfio.EdfAnnotation(*a) for a in annotations]
    patient = edfio.Patient(code="P7", sex="F")
    path = folders.inputs / name
    path.parent.mkdir(parents=True, exist_ok=True)
    kind(signals, annotations=found, starttime=start, patient=patient).write(path)
    return path


@pytest.mark.parametrize("small_bytes", [1 << 20, 256])
@pytest.mark.parametrize("name", ["a.edf", "a.bdf"])
def test_values_are_those_that_the_library_reads(
    folders: Folders, name: str, small_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edf, "_SMALL_BYTES", small_bytes)  # Larger files are mapped.
    path = _write(folders, name)
    source = _source(folders, channels=("EEG Pz*", "EEG Fpz-Cz"), group_key="patient_code")
    described, raw = source.describe(name), source.read(name)
    file = (edfio.read_bdf if name.endswith("bdf") else edfio.read_edf)(path)
    expected = np.stack([file.signals[1].data, file.signals[0].data], 1).astype(np.float32)
    np.testing.assert_array_equal(raw.data, expected)
    assert (described.steps, described.step_shape, described.rate_hz) == (1200, (2,), 100)
    assert described.group == "P7"


def test_a_section_is_what_it_is_in_the_whole(folders: Folders) -> None:
    path = _write(folders, "a.edf")
    signal = edfio.read_edf(path).signals[2].data.astype(np.float32)
    source = _source(folders, channels=("EMG",), from_secs=2.35, to_secs=7.9)
    np.testing.assert_array_equal(source.read("a.edf").data[:, 0], signal[24:79])


def test_only_the_section_is_loaded(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(folders, "a.edf")
    loaded = []
    from edfio._lazy_loading import LazyLoader

    load = LazyLoader.load
    monkeypatch.setattr(
        LazyLoader, "load", lambda self, *records: loaded.append(records) or load(self, *records)
    )
    source = _source(folders, channels=("EEG Pz-Oz",), from_secs=3, to_secs=5)
    source.describe("a.edf")
    assert not loaded
    source.read("a.edf")
    assert loaded == [(3, 5)]


def test_unlike_rates_become_one(folders: Folders) -> None:
    scipy_signal = optional_library("scipy.signal")
    path = _write(folders, "a.edf")
    with pytest.raises(RejectedInputError, match=r"unlike rates .*EMG 10 Hz.*--resample_hz"):
        _source(folders).describe("a.edf")
    found = _source(folders, resample_hz=50, window_secs=2).read("a.edf").data
    assert found.shape == (6, 100, 3)
    signals = [signal.data for signal in edfio.read_edf(path).signals]
    expected = [
        scipy_signal.resample_poly(signal, up, down)
        for signal, up, down in zip(signals, (1, 1, 5), (2, 2, 1), strict=True)
    ]
    np.testing.assert_allclose(found.reshape(-1, 3), np.stack(expected, 1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("is_beside", [False, True])
def test_annotations_are_classes_of_steps(folders: Folders, is_beside: bool) -> None:
    options: dict[str, Any] = {"label_key": "annotations", "annotation_regex": r"stage (\w)"}
    if is_beside:  # Which begins three seconds later.
        _write(folders, "SC1E0-PSG.edf", start=datetime.time(22, 0, 0))
        later = [(onset - 3, secs, text) for onset, secs, text in _STAGES]
        start = datetime.time(22, 0, 3)
        _write(folders, "SC1EC-Hypnogram.edf", (), annotations=later, start=start)
        _write(folders, "SC2E0-PSG.edf")
        options["annotation_suffix"] = "-Hypnogram.edf"
    else:
        _write(folders, "SC1E0-PSG.edf", annotations=[*_STAGES, (5, None, "Lights off")])
    source = _source(
        folders, channels=("EEG*",), sample_rate_hz=100, window_secs=2, from_secs=1, **options
    )
    described, raw = source.describe("SC1E0-PSG.edf"), source.read("SC1E0-PSG.edf")
    assert raw.labels[0].tolist() == ["W", "2", "2", "2", "R"]  # From 1 s on, 2 s each.
    assert (described.labels[0].shape, described.labels[0].classes) == ((5,), ("2", "R", "W"))
    assert raw.checksum == described.checksum
    options["label_key"] += ",sex"
    cut = {"channels": ("EEG*",), "sample_rate_hz": 100, "window_secs": 2, "from_secs": 1}
    both = _source(folders, **cut, **options)
    steps, sex = both.read("SC1E0-PSG.edf").labels
    assert (steps.tolist(), sex.item()) == (raw.labels[0].tolist(), "F")
    if is_beside:
        assert source.without_labels().describe("SC2E0-PSG.edf").labels == ()
        inputs = {file.path for file in inputs_of(source)}
        assert inputs == {"SC1E0-PSG.edf", "SC2E0-PSG.edf"}
        with pytest.raises(RejectedInputError, match="no file beside it ends in"):
            source.describe("SC2E0-PSG.edf")
        assert len(source.read_data("SC2E0-PSG.edf")) == 5  # To predict, none is needed.


def test_what_is_cut_short_is_rejected(folders: Folders) -> None:
    path = _write(folders, "a.edf", (100,), annotations=[])
    whole = path.read_bytes()
    path.write_bytes(whole[:-1000])
    with pytest.raises(RejectedInputError, match="announces 12 data records, the file holds 7;"):
        _source(folders).describe("a.edf")


def test_parts_without_time_between_them_are_one(folders: Folders) -> None:
    path = _write(folders, "a.edf", (100,), annotations=[])
    whole, expected = path.read_bytes(), _source(folders).read("a.edf").data
    path.write_bytes(whole.replace(b"EDF+C", b"EDF+D"))
    np.testing.assert_array_equal(_source(folders).read("a.edf").data, expected)
    path.write_bytes(whole.replace(b"EDF+C", b"EDF+D").replace(b"+3\x14\x14", b"+2\x14\x14"))
    with pytest.raises(RejectedInputError, match="not one after the other in time"):
        _source(folders).describe("a.edf")
    path.write_bytes(whole.replace(b"EDF+C", b"EDF+D").replace(b"+3\x14\x14", b"?3\x14\x14"))
    with pytest.raises(RejectedInputError, match="has no time"):
        _source(folders).describe("a.edf")


def test_a_suffix_of_annotations_needs_the_label_to_be_them(folders: Folders) -> None:
    with pytest.raises(UsageError, match="is for --label_key=annotations"):
        _source(folders, annotation_suffix="-Hypnogram.edf")


def test_a_letter_for_micro_that_is_no_ascii_is_one(folders: Folders) -> None:
    content = _write(folders, "a.edf", (100,)).read_bytes()
    for number, letter in enumerate((b"\xb5V", b"\xc2\xb5V")):
        unit = content.index(b"uV ".ljust(8))
        changed = content[:unit] + letter.ljust(8) + content[unit + 8 :]
        (folders.inputs / f"{number}.edf").write_bytes(changed)
        (channel,) = _source(folders).describe(f"{number}.edf").channels
        assert channel.unit == "uV"

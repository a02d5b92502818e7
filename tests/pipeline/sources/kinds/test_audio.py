"""Sound files: the same as npz files of the same samples, and what libsndfile reads of others."""

import pathlib
from typing import Any

import numpy as np
import pytest

from pipeline.console.errors import RejectedInputError
from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds import source_like
from pipeline.sources.kinds.audio import AudioOptions, AudioSource
from tests.optional import optional_library
from tests.pipeline.conversions import Converter, Folders, hashes, write_npz

soundfile = optional_library("soundfile")
_RNG = np.random.default_rng(0)


def _source(folders: Folders, **options: Any) -> AudioSource:
    return AudioSource(AudioOptions(str(folders.inputs), "", "test", **options), GFiles())


def _write(
    folders: Folders, name: str, samples: np.ndarray, rate_hz: int = 8000, **how: str
) -> pathlib.Path:
    path = folders.inputs / name
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate_hz, **how)
    return path


def _ints(*shape: int) -> np.ndarray:
    return _RNG.integers(-(2**15), 2**15, shape, np.int16)


def test_wav_files_give_the_bytes_of_npz_files_with_the_same_samples(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    flags = ("--sample_rate_hz=8000", "--window_secs=0.025", "--tail=pad", "--num_shards=1")
    for kind in ("signals", "audio"):
        folders = Folders(tmp_path / kind, tmp_path / f"{kind}_out")
        folders.inputs.mkdir()
        rng = np.random.default_rng(1)
        for number in range(12):
            digit, name = number % 3, f"{number % 3}_ann_{number}"
            samples = rng.integers(-(2**15), 2**15, rng.integers(100, 900), np.int16)
            if kind == "signals":
                write_npz(folders, name, signal=samples, label=digit)
            else:
                _write(folders, f"{name}.wav", samples)
        own = () if kind == "signals" else (r"--label_regex=^\d",)
        Converter(folders, capsys).dataset(f"--source={kind}", *flags, *own)
        shards = hashes(folders.dataset)
        found.append({name: sha for name, sha in shards.items() if "tfrecord" in name})
    assert found[0] == found[1]
    assert len(found[0]) == 3


@pytest.mark.parametrize(
    ("name", "subtype", "dtype"),
    [
        ("a.wav", "PCM_16", "int16"),
        ("a.flac", "PCM_16", "int16"),
        ("a.wav", "PCM_24", "float32"),
        ("a.wav", "PCM_U8", "float32"),
        ("a.wav", "FLOAT", "float32"),
        ("a.wav", "ULAW", "float32"),
        ("a.ogg", "VORBIS", "float32"),
        ("a.mp3", "MPEG_LAYER_III", "float32"),
        ("A.WAV", "PCM_16", "int16"),
        ("a.caf", "PCM_24", "float32"),
        ("a.w64", "PCM_16", "int16"),
        ("a.wav", "ALAW", "float32"),
        ("a.wav", "IMA_ADPCM", "float32"),
    ],
)
def test_samples_are_those_that_the_library_reads(
    folders: Folders, name: str, subtype: str, dtype: str
) -> None:
    path = _write(folders, name, _ints(3000, 2), subtype=subtype)
    expected, _ = soundfile.read(path, dtype=dtype, always_2d=True)
    source = _source(folders)
    described, raw = source.describe(name), source.read(name)
    np.testing.assert_array_equal(raw.data, expected)
    np.testing.assert_array_equal(source.read_data(name), expected)
    assert (described.dtype, described.steps, described.step_shape) == (dtype, len(expected), (2,))
    assert (described.record_id, described.rate_hz) == (name[:1], 8000)
    assert described.checksum == raw.checksum


def test_a_section_of_a_channel_is_read_as_float(folders: Folders) -> None:
    samples = _ints(4000, 3)
    _write(folders, "a.wav", samples)
    source = _source(folders, channels=("2", "0"), from_secs=0.1, to_secs=0.3, as_float=True)
    expected = samples[800:2400][:, [2, 0]] / np.float32(2**15)
    np.testing.assert_array_equal(source.read("a.wav").data, expected)


def test_other_rates_are_resampled_to_floats(folders: Folders) -> None:
    scipy_signal = optional_library("scipy.signal")
    samples = _ints(1001)
    _write(folders, "a.wav", samples, 16_000)
    _write(folders, "b.wav", samples, 8000)
    source = _source(folders, resample_hz=8000)
    expected = scipy_signal.resample_poly(samples / 2**15, 1, 2)
    found = source.read("a.wav").data
    assert found.shape == (501, 1)
    np.testing.assert_allclose(found[:, 0], expected, rtol=0, atol=1e-7)
    unchanged = source.read("b.wav").data
    np.testing.assert_array_equal(unchanged[:, 0], samples / np.float32(2**15))


def test_to_predict_files_are_read_as_they_were_converted(converter: Converter) -> None:
    folders = converter.folders
    lines = "".join(f"{number},{number % 2}\n" for number in range(6))
    table = folders.inputs / "labels.csv"
    table.write_text(f"id,label\n{lines}")
    for number in range(6):
        _write(folders, f"{number}.wav", _ints(300 + number, 2))
    dataset = converter.dataset(
        "--source=audio", f"--labels={table}", "--channels=1", "--window_samples=50",
        "--tail=pad", "--splits=train=1",
    )  # fmt: skip
    new = folders.inputs.parent / "new"
    samples = _ints(120, 2)
    _write(Folders(new, new), "a.wav", samples)
    _write(Folders(new, new), "b.wav", samples, 16_000)
    source = source_like(dataset.manifest.options, str(new), GFiles())
    expected = np.pad(samples[:, 1], (0, 30)).reshape(3, 50, 1)
    np.testing.assert_array_equal(source.read_data("a.wav"), expected)
    assert source.padding("a.wav") == 30
    # The rate was not named, but is that of the set.
    with pytest.raises(RejectedInputError, match="16000 samples per second, not --sample_rate_hz"):
        source.read_data("b.wav")


def test_unlike_rates_are_not_mixed(converter: Converter) -> None:
    for number in range(8):
        _write(converter.folders, f"{number}.wav", _ints(100), 8000 if number < 6 else 16_000)
    outcome = converter.run("--source=audio", "--dry_run", "--max_rejected_fraction=0.5")
    assert "2 at check: 16000 samples per second, most of the set's have 8000" in outcome.text


def test_a_header_that_promises_more_than_allowed_is_not_believed(folders: Folders) -> None:
    path = _write(folders, "a.flac", _ints(100))
    content = bytearray(path.read_bytes())
    content[21:26] = bytes([(content[21] & 0xF0) | 0x0F, 255, 255, 255, 255])  # 2^36 samples.
    path.write_bytes(content)
    with pytest.raises(RejectedInputError, match="more than --max_record_mib=1024"):
        _source(folders).describe("a.flac")


@pytest.mark.parametrize("subtype", ["GSM610", "G721_32", "NMS_ADPCM_16"])
def test_what_cannot_be_sought_in_is_read_from_its_beginning(
    folders: Folders, subtype: str
) -> None:
    path = _write(folders, "a.wav", _ints(3000), subtype=subtype)
    expected, _ = soundfile.read(path, dtype="float32", always_2d=True)
    np.testing.assert_array_equal(_source(folders).read("a.wav").data, expected)
    section = _source(folders, from_secs=0.1, to_secs=0.25).read("a.wav").data
    np.testing.assert_array_equal(section, expected[800:2000])


def test_a_length_that_no_header_says_is_asked_for(folders: Folders) -> None:
    path = _write(folders, "a.flac", _ints(3000))
    content = bytearray(path.read_bytes())
    content[21:26] = bytes([content[21] & 0xF0, 0, 0, 0, 0])  # Number of samples (RFC 9639, 8.2).
    path.write_bytes(content)
    with pytest.raises(RejectedInputError, match="does not say how long it is, as of a stream"):
        _source(folders).describe("a.flac")


@pytest.mark.parametrize(
    ("announced", "is_said"), [(6000, True), (5000, False), (2**31 - 1, False), (2**32 - 1, False)]
)
def test_a_file_that_was_cut_is_told_from_a_stream(
    folders: Folders, announced: int, is_said: bool
) -> None:
    path = _write(folders, "a.wav", _ints(2500))
    content = path.read_bytes()
    place = content.index(b"data") + 4
    path.write_bytes(content[:place] + announced.to_bytes(4, "little") + content[place + 4 :])
    described = _source(folders).describe("a.wav")
    assert described.steps == 2500
    assert [left.what for left in described.left_out] == ["sound file"] * is_said

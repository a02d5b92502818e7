"""Plain WAV is what libsndfile reads of it, or is left to libsndfile."""

import pathlib

import numpy as np
import pytest

from pipeline.sources.recordings.plain_wav import PlainWav, open_plain_wav
from tests.optional import optional_library

soundfile = optional_library("soundfile")
_HEADER_BYTES, _FRAMES = 44, 50


def _write(path: pathlib.Path, channels: int = 2) -> bytes:
    samples = np.random.default_rng(0).integers(-(2**15), 2**15, (_FRAMES, channels), np.int16)
    soundfile.write(path, samples, 8000)
    return path.read_bytes()


def _require_alike(plain: PlainWav, path: pathlib.Path) -> None:
    with plain, soundfile.SoundFile(path) as sound:
        for name in ("channels", "samplerate", "frames", "subtype"):
            assert getattr(plain, name) == getattr(sound, name)
        assert plain.copy_metadata() == dict(sound.copy_metadata())
        assert "should be" not in sound.extra_info
        for start, count in ((0, plain.frames), (plain.frames // 3, 5)):
            plain.seek(start)
            sound.seek(start)
            found = plain.read(count, "int16", always_2d=True)
            assert found.dtype == np.int16
            np.testing.assert_array_equal(found, sound.read(count, "int16", always_2d=True))


@pytest.mark.parametrize("channels", [1, 2, 7])
def test_samples_are_those_of_the_library(tmp_path: pathlib.Path, channels: int) -> None:
    _write(tmp_path / "a.wav", channels)
    plain = open_plain_wav(str(tmp_path / "a.wav"))
    assert plain is not None
    _require_alike(plain, tmp_path / "a.wav")


def test_what_is_changed_in_any_way_is_alike_or_left_to_the_library(tmp_path: pathlib.Path) -> None:
    path, kept = tmp_path / "a.wav", 0
    content = _write(path)
    for number in range(300):
        rng = np.random.default_rng(number)
        damaged = bytearray(content)
        for place in rng.integers(0, _HEADER_BYTES, rng.integers(1, 3)):
            damaged[place] = rng.choice([0, 1, 2, 16, damaged[place], damaged[place] ^ 1])
        path.write_bytes(damaged)
        if (plain := open_plain_wav(str(path))) is not None:
            kept += 1
            _require_alike(plain, path)
    assert 3 < kept < 210  # The same byte again is no change.


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content + b"LIST\4\0\0\0INFO",
        lambda content: content[:-3],
        lambda content: content[:30],
        lambda content: content[: _HEADER_BYTES - 4] + b"\0\0\0\0",
        lambda content: b"RF64" + content[4:],
    ],
)
def test_other_files_are_left_to_the_library(tmp_path: pathlib.Path, change: object) -> None:
    content = _write(tmp_path / "a.wav")
    assert callable(change)
    (tmp_path / "a.wav").write_bytes(change(content))
    assert open_plain_wav(str(tmp_path / "a.wav")) is None


def test_a_file_that_is_not_there_is_left_to_whoever_opens_it_next(tmp_path: pathlib.Path) -> None:
    assert open_plain_wav(str(tmp_path / "a.wav")) is None

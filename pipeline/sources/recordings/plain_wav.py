"""WAV as most programs write it: a header of 44 bytes, then samples of 16 bits, and no more.

libsndfile takes longer to open such a file than to read it, and longer than all else that is done
about a recording of a second. What is different in any way is left to it.
"""

import io
import os
import struct

import numpy as np

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_PCM, _BYTES = 1, 2


def open_plain_wav(path: str) -> "PlainWav | None":
    """Opens a local file, if it is such a one."""
    try:
        file = io.FileIO(path)
    except OSError:
        return None  # Whoever opens it next says why.
    content = file.read(_HEADER.size)
    if content[:4] == b"RIFF" and len(content) == _HEADER.size:
        fields, size = _HEADER.unpack(content), os.fstat(file.fileno()).st_size
        channels, rate_hz, block = fields[6], fields[7], _BYTES * fields[6]
        expected = (
            b"RIFF", size - 8, b"WAVE", b"fmt ", 16, _PCM, channels, rate_hz, rate_hz * block,
            block, 8 * _BYTES, b"data", size - _HEADER.size,
        )  # fmt: skip
        if fields == expected and block and rate_hz and (size - _HEADER.size) % block == 0:
            return PlainWav(file, channels, rate_hz, (size - _HEADER.size) // block)
    file.close()
    return None


class PlainWav:
    """What of `soundfile.SoundFile` is used, with the same results.

    Attributes:
      channels: how many there are.
      samplerate: in Hz.
      frames: samples of each channel.
    """

    subtype, extra_info = "PCM_16", ""

    def __init__(self, file: io.FileIO, channels: int, rate_hz: int, frames: int):
        self._file = file
        self.channels, self.samplerate, self.frames = channels, rate_hz, frames

    def __enter__(self) -> "PlainWav":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def copy_metadata(self) -> dict[str, str]:
        """Tags, of which there are none."""
        return {}

    def seekable(self) -> bool:
        """Whether `seek` can be used."""
        return True

    def seek(self, frames: int) -> None:
        """Goes to a sample."""
        self._file.seek(_HEADER.size + frames * self.channels * _BYTES)

    def read(self, frames: int, dtype: str, always_2d: bool) -> np.ndarray:
        """The next samples, fewer at the end, `[frames, channels]` int16."""
        assert (dtype, always_2d) == ("int16", True)
        values = np.empty((frames, self.channels), "<i2")
        found = self._file.readinto(values.data)
        return values[: found // (self.channels * _BYTES)]

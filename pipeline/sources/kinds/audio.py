"""Sound files, a recording each: WAV, FLAC, OGG, MP3 and what else libsndfile reads."""

import contextlib
import dataclasses
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pipeline.console.errors import RejectedInputError
from pipeline.console.options import option
from pipeline.sources.recordings.libraries import (
    library,
    path_or_file,
    reading,
    require_library,
)
from pipeline.sources.recordings.options import RecordingOptions
from pipeline.sources.recordings.plain_wav import open_plain_wav
from pipeline.sources.recordings.sections import Channel, Part
from pipeline.sources.recordings.source import Recording, RecordingSource
from pipeline.sources.source import Description
from tfrecords_schema.left_out import LeftOut

_BLOCK_VALUES = 1 << 22  # Of all channels of a file; those that are not chosen pass in blocks.
_MAX_CHANNELS = 1024
_UNKNOWN_FRAMES = 1 << 62
# What libsndfile notes of WAV; programs that do not know how much will come announce over 2 GB.
_CUT = re.compile(r"^data : (\d{1,9}|1\d{9}) \(should be \d+\)", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class AudioOptions(RecordingOptions):
    """Sound files."""

    as_float: bool = option(
        False,
        "Sound of 16 bits as float32 from -1 to 1, as any other sound is; else it stays int16, if "
        "it is not resampled.",
    )

    def check(self) -> None:
        """See `Options`."""
        super().check()
        require_library("soundfile", "audio")


@dataclasses.dataclass(frozen=True)
class AudioSource(RecordingSource):
    """WAV, FLAC, OGG and MP3 files, a recording each.

    Channels are named 0, 1, ... Tags (artist, genre, ...) are fields for --label_key and
    --group_key.
    """

    options: AudioOptions
    suffix = (
        ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc", ".au", ".caf",
        ".rf64", ".sph", ".w64",
    )  # fmt: skip
    input_name = "sound file"

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[Recording]:
        """See `RecordingSource`."""
        soundfile = library("soundfile", "audio")
        is_float = self.options.as_float or self.options.resample_hz is not None
        with path_or_file(self.files, self.full_path(path)) as file:
            plain = open_plain_wav(file) if isinstance(file, str) and not is_float else None
            with reading("soundfile"):
                opened = plain or soundfile.SoundFile(file)
            with opened as sound:
                yield _Sound(sound, "float32" if is_float else "")

    def make_alike(self, found: Description, step_shape: tuple[int, ...]) -> str:
        """See `Source`."""
        if found.step_shape == step_shape:
            return "bring all to one dtype with --as_float"
        return super().make_alike(found, step_shape)


class _Sound(Recording):
    def __init__(self, sound: Any, dtype: str):
        self._sound = sound
        count, rate_hz, frames = sound.channels, sound.samplerate, sound.frames
        if count > _MAX_CHANNELS or rate_hz < 1:
            raise RejectedInputError(f"{count} channels at {rate_hz} Hz are no sound; remove it")
        if frames >= _UNKNOWN_FRAMES:
            raise RejectedInputError(
                "its header does not say how long it is, as of a stream; write it anew"
            )
        self.dtype = dtype or ("int16" if sound.subtype == "PCM_16" else "float32")
        self.channels = [Channel(str(number), float(rate_hz), frames) for number in range(count)]

    def read(self, parts: Sequence[Part]) -> np.ndarray:
        start, stop = parts[0].start, parts[0].stop  # All channels have one rate.
        columns = [part.channel for part in parts]
        with reading("soundfile"):
            if self._sound.seekable():
                self._sound.seek(start)  # Also to 0: of MP3, last bits differ without.
            elif start:
                self._pass_over(start)
            if columns == [*range(len(self.channels))]:
                return self._sound.read(stop - start, self.dtype, always_2d=True)
            blocks, size = [], max(1, _BLOCK_VALUES // len(self.channels))
            while start < stop:
                block = self._sound.read(min(size, stop - start), self.dtype, always_2d=True)
                if not len(block):
                    break
                blocks.append(block[:, columns])
                start += len(block)
            return np.concatenate(blocks or [np.zeros((0, len(columns)), self.dtype)])

    def _pass_over(self, frames: int) -> None:
        """Reads what is before a section, where that is the only way to it."""
        while frames and len(block := self._sound.read(min(frames, _BLOCK_VALUES), self.dtype)):
            frames -= len(block)

    def unused(self) -> Sequence[LeftOut]:
        if not _CUT.search(self._sound.extra_info):
            return ()
        return (LeftOut("sound file", "shorter than its header says, as if it had been cut"),)

    def fields(self) -> dict[str, str | int | float]:
        with reading("soundfile"):
            return dict(self._sound.copy_metadata())

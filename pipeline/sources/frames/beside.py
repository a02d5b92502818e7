"""In front of kinds of frames: numbers beside them, of each frame or of the whole recording."""

import dataclasses
import posixpath
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pipeline.console.errors import RejectedInputError, printable
from pipeline.console.texts import listed
from pipeline.sources.channels import Beside, ChannelName
from pipeline.sources.frames.options import FrameOptions
from pipeline.sources.in_front import InFront
from pipeline.sources.names import normal
from pipeline.sources.npz import open_npz
from pipeline.sources.options import require_size
from pipeline.sources.source import Description, InputFile, RawRecord
from tfrecords_schema.left_out import LeftOut

_MOST_NUMBERS = 4096
_NPZ = ".npz"


class _Part(NamedTuple):
    """What one name stands for, `[time, numbers]`, and the samples that it lacks or has too many.

    `held` samples at the end repeat the last one; `dropped` are behind the last frame.
    """

    channels: list[ChannelName]
    values: np.ndarray
    held: int = 0
    dropped: int = 0


@dataclasses.dataclass(frozen=True)
class BesideSource(InFront):
    """Another source, whose frames have numbers beside them."""

    def list_inputs(self) -> Iterator[InputFile | LeftOut]:
        """See `Source`; files of numbers are not passed over."""
        used, others = set(), []
        for found in self.inner.list_inputs():
            if isinstance(found, InputFile):
                used.add(printable(self._npz(found.path)))
            elif found.example.endswith(_NPZ):
                others.append(found)
                continue
            yield found
        yield from (found for found in others if found.example not in used)

    def describe(self, path: str) -> Description:
        """See `Source`."""
        found = self.inner.describe(path)
        beside = self.beside(path, found.steps)
        size_bytes = found.size_bytes + beside.stored.nbytes
        limit_mib = self.options.max_record_mib
        require_size("the recording, with its numbers,", size_bytes, "max_record_mib", limit_mib)
        return found._replace(
            checksum=_with_digest(found.checksum, beside.stored),
            stored_bytes=size_bytes,
            channels=beside.channels,
            left_out=(*found.left_out, *beside.left_out),
        )

    def read(self, path: str) -> RawRecord:
        """See `Source`."""
        raw = self.inner.read(path)
        beside = self.beside(path, len(raw.data))
        checksum = _with_digest(raw.checksum, beside.stored)
        return dataclasses.replace(
            raw, beside=beside.stored, unnarrowed=beside.values, checksum=checksum
        )

    def beside(self, path: str, steps: int) -> Beside:
        """See `Source`."""
        options = self._options
        return joined(self._numbers(path), steps, options.beside_key, options.beside_samples)

    @property
    def _options(self) -> FrameOptions:
        assert isinstance(self.options, FrameOptions)
        return self.options

    def _npz(self, path: str) -> str:
        """Path of the file that has numbers of an input: that of its name."""
        is_file = path.lower().endswith(self.suffix or ())
        return (posixpath.splitext(path)[0] if is_file else path) + _NPZ

    def _numbers(self, path: str) -> dict[str, Any]:
        """What is asked for, by its name."""
        names = [*map(normal, self._options.beside_key)]
        fields = self.inner.fields(path)
        found = {name: fields[name] for name in names if name in fields}
        place = self.full_path(self._npz(path))
        keys: list[str] = []
        if len(found) < len(names) and self.files.exists(place):
            with open_npz(place, self.files, self.options.max_record_mib) as npz:
                keys = npz.keys
                found |= {name: npz.array(name) for name in names if name in {*keys} - {*found}}
        for name in names:
            if name not in found:
                raise RejectedInputError(
                    f"no numbers {name!r} (--beside_key): the recording has the fields "
                    f"{listed([*fields]) or '(none)'}, {posixpath.basename(place)} the arrays "
                    f"{listed(keys) or '(none)'}; add them, or remove the recording"
                )
        return found


def joined(
    found: Mapping[str, Any], steps: int, keys: Sequence[str], samples: Sequence[int] = ()
) -> Beside:
    """Numbers of several names, side by side.

    Args:
      found: arrays, lists or numbers of all names, as `normal` has those.
      steps: frames of the recording.
      keys: the names, in the order of the numbers.
      samples: how many samples of each a frame has, see `FrameOptions.beside_samples`.

    Raises:
      RejectedInputError: they are no finite numbers, too many, or too few for the frames.
    """
    names, counts = [*map(normal, keys)], samples or (None,) * len(keys)
    parts = [
        _part(name, _array(name, found[name]), steps, count)
        for name, count in zip(names, counts, strict=True)
    ]
    values = np.concatenate([part.values for part in parts], axis=1)
    _require_few(values.shape[1])
    held, dropped = (sum(getattr(part, name) for part in parts) for name in ("held", "dropped"))
    said = (
        LeftOut("sample", "beside the last frame was not there, and repeats the one before", held),
        LeftOut("sample", "behind the last frame", dropped),
    )
    channels = tuple(channel for part in parts for channel in part.channels)
    return Beside(channels, values, tuple(one for one in said if one.count))


def _array(name: str, value: Any) -> np.ndarray:
    """`[]`, or `[samples, ...]` float64."""
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "biufO":
            raise TypeError
        array = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise RejectedInputError(
            f"{name!r} (--beside_key) holds something else than numbers in lists of one length; "
            "write numbers, or leave it out"
        ) from None
    if not array.size:
        raise RejectedInputError(f"{name!r} (--beside_key) is empty; fill it in")
    with np.errstate(over="ignore"):
        rows = np.atleast_1d(array).astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(rows.reshape(len(rows), -1)).all(axis=1))
    if len(bad):
        raise RejectedInputError(
            f"{name!r} (--beside_key) holds NaN or infinity in {len(bad)} of {len(rows)} samples, "
            f"the first is {bad[0]}; fill it in, or remove the recording"
        )
    return array


def _part(name: str, array: np.ndarray, steps: int, samples: int | None) -> _Part:
    """One name's numbers, `samples` of them a frame; 0: those of the recording, None: as it is."""
    if samples == 0 or (samples is None and not array.ndim):
        row = array.reshape(1, -1)
        _require_few(row.shape[1])
        return _Part(_channels(name, row.shape[1], 1), np.repeat(row, steps, axis=0))
    rows = np.atleast_1d(array)
    rows = rows.reshape(len(rows), -1)
    samples = samples or _samples(name, len(rows), steps)
    wanted = steps * samples
    if abs(len(rows) - wanted) > samples:
        raise RejectedInputError(
            f"{name!r} has {len(rows)} samples, {samples} for each of {steps} frames "
            f"(--beside_samples) are {wanted}, and it may differ by one frame; repair it, or say "
            "how many a frame has"
        )
    held, dropped = max(0, wanted - len(rows)), max(0, len(rows) - wanted)
    rows = np.concatenate([rows, np.repeat(rows[-1:], held, axis=0)])[:wanted]
    channels = _channels(name, rows.shape[1], samples)
    return _Part(channels, rows.reshape(steps, -1), held, dropped)


def _samples(name: str, count: int, steps: int) -> int:
    """How many of so many samples a frame has, where nobody says.

    Raises:
      RejectedInputError: no whole number.
    """
    if count % steps == 0:
        return count // steps
    if abs(count - steps) == 1:
        return 1
    raise RejectedInputError(
        f"{name!r} (--beside_key) has {count} samples and the recording {steps} frames, "
        f"{count / steps:.4g} a frame; say how many a frame has with --beside_samples, 0 where "
        "they are of the whole recording"
    )


def _require_few(numbers: int) -> None:
    if numbers > _MOST_NUMBERS:
        raise RejectedInputError(
            f"{numbers} numbers beside each frame (--beside_key), more than {_MOST_NUMBERS}; name "
            "fewer, or give fewer samples"
        )


def _channels(name: str, width: int, samples: int) -> list[ChannelName]:
    """Of `width` numbers in each of so many samples: `imu:0@0`, `imu:1@0`, `imu:0@1`, ..."""
    names = [name] if width == 1 else [f"{name}:{number}" for number in range(width)]
    if samples == 1:
        return [ChannelName(one, kind="value", signal=name) for one in names]
    return [
        ChannelName(f"{one}@{sample}", kind="value", signal=name, like=one)
        for sample in range(samples)
        for one in names
    ]


def _with_digest(checksum: str, values: np.ndarray) -> str:
    return f"{checksum};{zlib.crc32(values.tobytes()):08x}"

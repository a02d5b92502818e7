"""Video files, a sample each, as frames: every n-th, or at a rate by their time stamps."""

import contextlib
import dataclasses
import functools
import os
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.console.options import option
from pipeline.sources.frames.options import FrameOptions
from pipeline.sources.options import require_size
from pipeline.sources.recordings.libraries import (
    fingerprint,
    library,
    path_or_file,
    reading,
    require_library,
)
from pipeline.sources.source import Description, RawRecord, Source
from tfrecords_schema.left_out import LeftOut

# FFmpeg's names of what is read; whatever a file is called, it could be a list of other files.
_FORMATS = "mov,avi,matroska,asf,mpeg,mpegts,mpegvideo,m4v,flv,ogg"
_EPSILON_SECS = 1e-6  # Time stamps are fractions, rates may be none.


@dataclasses.dataclass(frozen=True)
class VideoOptions(FrameOptions):
    """Video files."""

    reads_metadata: ClassVar[bool] = True

    every_nth_frame: int = option(1, "Takes the first frame and every n-th after it.", low=1)
    frames_per_sec: float | None = option(
        None,
        "Takes, for each moment k / frames_per_sec from the first frame on, the frame that is "
        "shown then, by the time stamps.",
        positive=True,
    )

    frame_format: str = option(
        "png",
        "How frames are stored: png loses nothing; jpeg, of quality 95, takes a quarter of the "
        "space and a tenth of the time.",
        ("png", "jpeg"),
    )

    def check(self) -> None:
        """See `Options`."""
        super().check()
        require_library("av", "video")
        if self.every_nth_frame > 1 and self.frames_per_sec:
            raise UsageError("give --every_nth_frame or --frames_per_sec, not both")


class _Video(NamedTuple):
    """What an open file is, after its packets were counted and its first frame was decoded.

    Attributes:
      height: of a frame in pixels, as it is stored.
      width: likewise.
      chosen: numbers of the frames to take, in the order of time; some may come twice.
      turns: quarter turns against the clock that make the pictures stand upright.
    """

    height: int
    width: int
    chosen: np.ndarray
    turns: int

    @property
    def decoded_shape(self) -> tuple[int, int]:
        """Height and width of a frame before it is turned."""
        return (self.width, self.height) if self.turns % 2 else (self.height, self.width)


@dataclasses.dataclass(frozen=True)
class VideoSource(Source):
    """MP4, AVI, MKV, MOV and WEBM files, a sample each.

    Its label comes from a table or the path: --labels, --label_regex, or metadata.csv beside it.
    A frame of another size than the stream announces is brought to that. Pictures are turned
    upright where the file says how, as telephones do.
    """

    options: VideoOptions
    kind = "frames"
    suffix = (
        ".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".mts", ".m2ts", ".wmv",
        ".flv", ".3gp", ".ogv",
    )  # fmt: skip
    input_name = "video file"
    no_label = "no label, others have one; name it with --labels or --label_regex"

    def describe(self, path: str) -> Description:
        """See `Source`."""
        place = self.full_path(path)
        video = self._scan(place)
        group, split = self.group_and_split(path)
        steps = len(video.chosen)
        return Description(
            self.record_id(path), path, group, split, fingerprint(self.files, place), "uint8",
            steps, (video.height, video.width, 3), (), steps * video.height * video.width * 3,
            left_out=(LeftOut("video", "turned upright, as it says"),) if video.turns else (),
        )  # fmt: skip

    def read(self, path: str) -> RawRecord:
        """See `Source`."""
        from pipeline.sources.frames.decoding import encode_jpeg, encode_png  # TensorFlow is slow.

        place = self.full_path(path)
        video = self._scan(place)
        is_jpeg = self.options.frame_format == "jpeg"
        encode = encode_jpeg if is_jpeg else functools.partial(encode_png, compression=1)
        frames = [encode(frame) for frame in self._frames(place, video)]
        _require_all(frames, video)
        return RawRecord(frames, (), fingerprint(self.files, place))

    def read_data(self, path: str) -> np.ndarray:
        """See `Source`."""
        place = self.full_path(path)
        video = self._scan(place)
        frames = [*self._frames(place, video)]
        _require_all(frames, video)
        return np.stack(frames)

    def make_alike(self, found: Description, step_shape: tuple[int, ...]) -> str:
        """See `Source`."""
        return f"make all frames alike with --resize={step_shape[0]}x{step_shape[1]}"

    @contextlib.contextmanager
    def _opened(self, place: str) -> Iterator[Any]:
        av = library("av", "video")
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(path_or_file(self.files, place))
            with reading("PyAV"):
                options = {"format_whitelist": _FORMATS}
                container = stack.enter_context(
                    av.open(file, metadata_errors="ignore", container_options=options)
                )
                if not container.streams.video:
                    raise RejectedInputError("it has no video stream; remove it")
            yield container

    def _scan(self, place: str) -> _Video:
        with self._opened(place) as container, reading("PyAV"):
            stream = container.streams.video[0]
            height, width = stream.codec_context.height, stream.codec_context.width
            if not 0 < height * width <= self.options.max_frame_pixels:
                raise RejectedInputError(
                    f"{height} x {width} pixels, expected some, and at most --max_frame_pixels="
                    f"{self.options.max_frame_pixels}; make it smaller, or allow more"
                )
            times = [
                float(packet.pts * packet.time_base) if packet.pts is not None else None
                for packet in container.demux(stream)
                if packet.size and not packet.is_discard
            ]
        turns = self._turns(place)
        upright = (width, height) if turns % 2 else (height, width)
        height, width = self.options.resize_shape or upright
        return _Video(height, width, self._choose(times, height * width * 3), turns)

    def _turns(self, place: str) -> int:
        with self._opened(place) as container, reading("PyAV"):
            first = next(container.decode(video=0), None)
            return round(first.rotation / 90) % 4 if first else 0

    def _choose(self, times: Sequence[float | None], frame_bytes: int) -> np.ndarray:
        """The frames to take, of those shown at these times, by their number in order of time."""
        if not times:
            raise RejectedInputError("it has no frames; remove it")
        rate_hz = self.options.frames_per_sec
        if rate_hz is None:
            chosen = np.arange(0, len(times), self.options.every_nth_frame)
            self._require_size(len(chosen) * frame_bytes)
            return chosen
        known = np.sort(np.array([time for time in times if time is not None]))
        if len(known) < len(times):
            raise RejectedInputError(
                "it has frames without a time stamp; use --every_nth_frame, or convert it anew"
            )
        moments = int((known[-1] - known[0]) * rate_hz + _EPSILON_SECS) + 1
        self._require_size(moments * frame_bytes)
        shown = known[0] + np.arange(moments) / rate_hz + _EPSILON_SECS
        return np.searchsorted(known, shown, side="right") - 1

    def _require_size(self, size_bytes: int) -> None:
        require_size(
            "all its frames together", size_bytes, "max_record_mib", self.options.max_record_mib
        )

    def _frames(self, place: str, video: _Video) -> Iterator[np.ndarray]:
        """The chosen frames, `[height, width, 3]` uint8; one is in memory at a time."""
        wanted = np.bincount(video.chosen).tolist()
        with self._opened(place) as container, reading("PyAV"):
            stream = container.streams.video[0]
            stream.codec_context.thread_count = min(os.cpu_count() or 1, 4)
            for number, frame in enumerate(container.decode(stream)):
                if number >= len(wanted):
                    return
                if not wanted[number]:
                    continue
                pixels = frame.to_ndarray(
                    format="rgb24",
                    width=video.decoded_shape[1],
                    height=video.decoded_shape[0],
                    interpolation="BICUBIC",
                )
                pixels = np.ascontiguousarray(np.rot90(pixels, video.turns))
                yield from [pixels] * wanted[number]


def _require_all(frames: Sequence[Any], video: _Video) -> None:
    if len(frames) != len(video.chosen):
        raise RejectedInputError(
            f"{len(frames)} of {len(video.chosen)} frames can be decoded, so it is damaged or cut "
            "short; copy it again"
        )

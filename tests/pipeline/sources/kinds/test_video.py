"""Video files: frames as PyAV has them, chosen by number or by time, stored whole."""

import pathlib
import struct
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from pipeline.batches.frames import decode_frame
from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds import make_source
from pipeline.sources.kinds.video import VideoOptions, VideoSource
from tests.optional import optional_library
from tests.pipeline.conversions import Converter, Folders, read_records

av = optional_library("av")
_SHAPE = (48, 64, 3)
# A frame shows which way it stands.
_RAMP = np.add.outer(np.arange(48) // 3, np.arange(64) // 4).astype(np.uint8)
_RAMP = np.repeat(_RAMP[..., None], 3, 2)
_TIMES = [0, 40, 80, 100, 200, 210, 400]  # Milliseconds: a variable rate.


def _source(folders: Folders, **options: Any) -> VideoSource:
    return VideoSource(VideoOptions(str(folders.inputs), "", "test", **options), GFiles())


def _write(folders: Folders, name: str, codec: str = "mpeg4") -> pathlib.Path:
    path = folders.inputs / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = *_SHAPE[:2], "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, time in enumerate(_TIMES):
            frame = av.VideoFrame.from_ndarray((_RAMP + 20 + 30 * number), "rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _decoded(path: pathlib.Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_frames_are_those_that_the_library_decodes(folders: Folders, name: str) -> None:
    expected = _decoded(_write(folders, name))
    source = _source(folders)
    described, raw = source.describe(name), source.read(name)
    assert (described.steps, described.step_shape) == (len(expected), _SHAPE)
    frames = np.stack([decode_frame(frame).numpy() for frame in raw.data])
    np.testing.assert_array_equal(frames, expected)
    np.testing.assert_array_equal(source.read_data(name), expected)
    assert raw.checksum == described.checksum
    third = _source(folders, every_nth_frame=3).read_data(name)
    np.testing.assert_array_equal(third, expected[::3])


@pytest.mark.parametrize("rate_hz", [5.0, 10.0, 25.0, 100.0])
def test_at_a_rate_each_moment_has_the_frame_that_is_shown(
    folders: Folders, rate_hz: float
) -> None:
    path = _write(folders, "a.mkv")
    moments = np.arange(0, 400 + 1e-6, 1000 / rate_hz)
    shown = [max(i for i, time in enumerate(_TIMES) if time <= m + 1e-3) for m in moments]
    source = _source(folders, frames_per_sec=rate_hz)
    assert source.describe("a.mkv").steps == len(shown)
    expected = np.stack(_decoded(path))[shown]
    np.testing.assert_array_equal(source.read_data("a.mkv"), expected)


def test_frames_may_be_small_and_jpeg(folders: Folders) -> None:
    _write(folders, "a.mp4")
    source = _source(folders, resize="12x16", frame_format="jpeg", every_nth_frame=2)
    assert source.describe("a.mp4").step_shape == (12, 16, 3)
    raw = source.read("a.mp4")
    assert all(frame.startswith(b"\xff\xd8\xff") for frame in raw.data)
    found = np.stack([decode_frame(frame).numpy() for frame in raw.data])
    np.testing.assert_allclose(found, source.read_data("a.mp4"), atol=2)


def test_a_folder_of_videos_becomes_a_dataset_of_frames(converter: Converter) -> None:
    for number in range(6):
        _write(converter.folders, f"{'run' if number % 2 else 'walk'}/{number}.mp4")
    dataset = converter.dataset(
        "--source=video", "--label_regex=^[^/]+", "--resize=6x8", "--splits=train=1"
    )
    records = read_records(dataset)
    assert dataset.schema.input.step_shape == (6, 8, 3)
    assert dataset.schema.label.class_names == ("run", "walk")
    assert {name: int(record["label"]) for name, record in records.items()} == {
        f"{'run' if number % 2 else 'walk'}/{number}": (number + 1) % 2 for number in range(6)
    }


def test_what_is_too_large_is_not_decoded(folders: Folders) -> None:
    _write(folders, "a.mkv")
    with pytest.raises(RejectedInputError, match="48 x 64 pixels, expected some, and at most"):
        _source(folders, max_frame_pixels=1000).describe("a.mkv")
    with pytest.raises(
        RejectedInputError, match=r"all its frames together has .* more than --max_record_mib"
    ):
        _source(folders, frames_per_sec=1e6).describe("a.mkv")
    with pytest.raises(RejectedInputError, match="more than --max_record_mib"):
        _source(folders, frames_per_sec=1e12).describe("a.mkv")


def test_two_ways_to_choose_frames_are_one_too_many(folders: Folders) -> None:
    with pytest.raises(UsageError, match="--every_nth_frame or --frames_per_sec"):
        _source(folders, every_nth_frame=2, frames_per_sec=3)


def test_a_sound_file_is_no_video(folders: Folders) -> None:
    with av.open(str(folders.inputs / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(RejectedInputError, match="no video stream"):
        _source(folders).describe("a.mp4")


def test_a_list_of_other_files_is_no_video(folders: Folders) -> None:
    _write(folders, "a.mp4")
    (folders.inputs / "b.mp4").write_text("ffconcat version 1.0\nfile a.mp4\n")
    with pytest.raises(RejectedInputError, match="PyAV cannot read it"):
        _source(folders).describe("b.mp4")


@pytest.mark.parametrize(
    ("cosine", "sine", "turns"), [(0, 1, -1), (0, -1, 1), (-1, 0, 2)], ids=["right", "left", "head"]
)
def test_videos_stand_as_the_file_says(
    folders: Folders, cosine: int, sine: int, turns: int
) -> None:
    path = _write(folders, "a.mp4")
    content = bytearray(path.read_bytes())
    # ISO 14496-12, 8.3.2: the matrix is behind 40 bytes of the track's header.
    matrix = (cosine, sine, 0, -sine, cosine, 0)
    fixed = [value << 16 for value in matrix] + [0, 0, 1 << 30]
    place = content.index(b"tkhd") + 44
    content[place : place + 36] = struct.pack(">9i", *fixed)
    lying = _decoded(path)
    path.write_bytes(content)
    source, expected = _source(folders), [np.rot90(frame, turns) for frame in lying]
    described = source.describe("a.mp4")
    assert described.step_shape == expected[0].shape
    assert [left.reason for left in described.left_out] == ["turned upright, as it says"]
    np.testing.assert_array_equal(source.read_data("a.mp4"), expected)
    frames = np.stack([decode_frame(frame).numpy() for frame in source.read("a.mp4").data])
    np.testing.assert_array_equal(frames, expected)
    assert _source(folders, resize="10x20").read_data("a.mp4").shape == (len(lying), 10, 20, 3)


def test_numbers_beside_frames_are_in_the_npz_of_the_same_name(folders: Folders) -> None:
    _write(folders, "b/a.mp4")
    x = np.arange(2.0 * len(_TIMES))
    np.savez(folders.inputs / "b/a.npz", x=x)
    options = VideoOptions(str(folders.inputs), "", "test", beside_key=("x",))
    source = make_source(options, GFiles())
    (found,) = source.list_inputs()
    np.testing.assert_array_equal(source.read(found.path).beside, x.reshape(-1, 2))
    assert [channel.name for channel in source.describe(found.path).channels] == ["x@0", "x@1"]

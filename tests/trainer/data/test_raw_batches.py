"""Raw folders as a conversion would have stored them, and what is left out of them."""

import os
import pathlib
from typing import Any

import numpy as np
import pytest

from pipeline.sources.kinds.image_folders import ImageFolderOptions
from pipeline.sources.kinds.signals import SignalOptions
from tests.pipeline.batches.test_frames_batches import encoded_image
from tests.pipeline.sources.kinds.test_image_folders import write_sample
from tfrecords_schema import DatasetError, InputSpec
from trainer.data.raw_batches import RawFolder

_SIGNAL = InputSpec("signal", "float32", (2,))
_FRAMES = InputSpec("frames", "uint8", (24, 40, 3))
_SIGNALS = SignalOptions("", "", "test").recorded()
_IMAGES = ImageFolderOptions("", "", "test").recorded()


def _write(folder: pathlib.Path, name: str, *, steps: int = 3) -> None:
    np.savez(folder / name, signal=np.ones((steps, 2), np.float32))


def _predicted(raw: RawFolder) -> list[str]:
    return [source for batch in raw.batches(2) for source in batch.sources]


def test_what_cannot_be_listed_is_left_out_and_no_pipe_opened(tmp_path: pathlib.Path) -> None:
    _write(tmp_path, "good.npz")
    for twin in ("a.npz", "a.NPZ"):
        (tmp_path / twin).write_bytes((tmp_path / "good.npz").read_bytes())
    os.mkfifo(tmp_path / "pipe.npz")
    os.mkfifo(os.fsencode(tmp_path) + b"/caf\xe9.npz")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "nowhere.npz").symlink_to(tmp_path / "missing")
    raw = RawFolder(str(tmp_path), _SIGNAL, _SIGNALS)
    empty = "it is empty; remove it, or copy it again"
    assert raw.rejects == [
        ("a.NPZ", "its id 'a' is also that of a.npz; rename or remove one"),
        ("a.npz", "its id 'a' is also that of a.NPZ; rename or remove one"),
        (r"caf\udce9.npz", "its name is not UTF-8; rename it"),
        ("nowhere.npz", empty),
        ("pipe.npz", empty),
    ]
    assert _predicted(raw) == ["good.npz"]
    (link,) = raw.left_out
    assert (link.what, link.example) == ("link", "loop")


def test_a_recording_that_the_file_system_refuses_is_left_out(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    _write(tmp_path, "a.npz")
    monkeypatch.setattr("pipeline.sources.kinds.signals.SignalSource.read_data", denied)
    raw = RawFolder(str(tmp_path), _SIGNAL, _SIGNALS)
    assert not _predicted(raw)
    cure = "make it readable, or copy it again"
    assert raw.rejects == [("a.npz", f"cannot be read (Permission denied); {cure}")]


def test_frames_of_unequal_size_are_left_out(tmp_path: pathlib.Path) -> None:
    write_sample(tmp_path / "good", {"0.jpg": encoded_image(0), "1.jpg": encoded_image(1)})
    odd = encoded_image(1, height=25)
    write_sample(tmp_path / "odd", {"0.jpg": encoded_image(0), "1.jpg": odd})
    write_sample(tmp_path / "torn", {"0.jpg": encoded_image(0)[:-40]})
    raw = RawFolder(str(tmp_path), _FRAMES, _IMAGES)
    assert _predicted(raw) == ["good"]
    (path, reason), (torn, why) = raw.rejects
    assert (path, torn) == ("odd", "torn")
    assert "frame 1.jpg has 25 x 40 pixels, frame 0.jpg has 24 x 40; make frames" in reason
    assert "frame 0.jpg: damaged or cut short" in why


def test_the_name_of_a_frame_need_not_be_utf_8(tmp_path: pathlib.Path) -> None:
    write_sample(tmp_path / "0", {os.fsdecode(b"\xe9.jpg"): encoded_image(0)})
    raw = RawFolder(str(tmp_path), _FRAMES, _IMAGES)
    assert _predicted(raw) == ["0"]


def test_options_of_other_kinds_in_older_manifests_are_left_aside(tmp_path: pathlib.Path) -> None:
    _write(tmp_path, "a.npz", steps=4)
    cut = {**_SIGNALS, "window_samples": 2, "resize": "", "max_frame_pixels": 1}
    (batch,) = RawFolder(str(tmp_path), InputSpec("signal", "float32", (2, 2)), cut).batches(1)
    assert batch.steps == [2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "was not converted by python -m pipeline"),
        ({**_SIGNALS, "source": "tapes"}, "was converted with --source=tapes, which this version"),
        ({**_SIGNALS, "flip": 1}, "was converted with --flip, which this version does not have"),
    ],
)
def test_a_conversion_that_is_not_known_is_not_guessed(
    tmp_path: pathlib.Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        RawFolder(str(tmp_path), _SIGNAL, options)


def test_where_nothing_can_be_read_all_is_left_out(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DatasetError, match=r"no npz file under --input_dir=.*; give another"):
        RawFolder(str(tmp_path), _SIGNAL, _SIGNALS)
    (tmp_path / "empty.npz").touch()
    raw = RawFolder(str(tmp_path), _SIGNAL, _SIGNALS)
    assert not _predicted(raw)
    assert len(raw.rejects) == 1


def test_frames_of_another_size_are_refused_by_their_headers(tmp_path, monkeypatch) -> None:
    write_sample(tmp_path / "a", {"0.jpg": encoded_image(0)})
    raw = RawFolder(str(tmp_path), InputSpec("frames", "uint8", (32, 32, 3)), _IMAGES)
    monkeypatch.setattr("pipeline.sources.frames.decoding.decode_checked", None)
    assert _predicted(raw) == []
    assert raw.rejects[0][1].startswith("frames of 24 x 40 pixels, expected 32 x 32")


def test_a_window_far_beyond_a_recording_is_refused_before_it_is_padded(tmp_path) -> None:
    _write(tmp_path, "a", steps=3)
    given = SignalOptions("", "", "test", window_samples=5 * 10**8, tail="pad", label_kind="none")
    options = {**given.recorded(), "source": "signals"}
    raw = RawFolder(str(tmp_path), InputSpec("signal", "float32", (5 * 10**8, 1)), options)
    assert _predicted(raw) == []
    assert "the signal, cut and padded, has" in raw.rejects[0][1]

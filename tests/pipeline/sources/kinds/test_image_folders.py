"""Folders of frames: what arrives in the records, and what is wrong with a folder."""

import io
import json
import pathlib
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from pipeline.console.errors import RejectedInputError
from pipeline.sources.frames.header import read_image_header
from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds.image_folders import ImageFolderOptions, ImageFolderSource
from tests.pipeline.batches.test_frames_batches import MODES, encoded_image, pillow_decode
from tests.pipeline.conversions import Converter, Folders, hashes, read_records, rejects
from tfrecords_schema import Dataset

_FLAGS = ["--source=image_folders", "--splits=train=1"]
_XY = [-1.2287, -0.0101]
_VELOCITY = {"velocity": _XY, "meaning": "metres a second"}


def write_sample(
    folder: pathlib.Path, frames: dict[str, bytes], annotation: Any = None
) -> pathlib.Path:
    folder.mkdir(parents=True)
    for name, content in frames.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    if annotation is not None:
        (folder / "annotation.json").write_text(json.dumps(annotation))
    return folder


def write_drive(folders: Folders, count: int) -> None:
    """Samples of 1 to 3 frames with a velocity."""
    for number in range(count):
        frames = {f"imgs/{i}.jpg": encoded_image(number * 10 + i) for i in range(1 + number % 3)}
        write_sample(folders.inputs / str(number), frames, [_VELOCITY])


def convert(converter: Converter, *flags: str) -> Dataset:
    return converter.dataset(*_FLAGS, *flags)


def test_bytes_pass_through_untouched_in_natural_order(
    folders: Folders, converter: Converter
) -> None:
    names = ["1.jpg", "2.png", "10.jpg", "a1b2.png", "a1b10.png", "a2.jpg", "a10.jpg"]
    frames = {name: encoded_image(i, *MODES[i]) for i, name in enumerate(names)}
    backwards = dict(reversed(frames.items()))
    write_sample(folders.inputs / "x/direct", {**backwards, "notes.txt": b"", ".2.png": b""})
    below = {f"imgs/{name}": content for name, content in backwards.items()}
    write_sample(folders.inputs / "y/below", {**below, "preview.jpg": b"ignored"})
    dataset = convert(converter, "--shard_size_mib=100")
    records = read_records(dataset)
    assert list(records["x/direct"]["frames"]) == list(frames.values())
    assert list(records["y/below"]["frames"]) == list(frames.values())
    assert dataset.schema.input.step_shape == (24, 40, 3)
    assert dataset.manifest.splits["train"].length_histogram == {len(names): 2}


def test_tensorflow_datasets_reads_the_frames_in_colour(
    folders: Folders, converter: Converter
) -> None:
    frames = {f"{i}": encoded_image(i, *mode) for i, mode in enumerate(MODES)}
    write_sample(folders.inputs / "0", {f"imgs/{name}": data for name, data in frames.items()})
    dataset = convert(converter, "--label_kind=none")
    (example,) = tfds.builder_from_directory(dataset.path).as_dataset(split="train")
    assert example["frames"].shape == (len(MODES), 24, 40, 3)
    for (format_, _), found, encoded in zip(MODES, example["frames"], frames.values(), strict=True):
        apart = np.abs(found.numpy().astype(int) - pillow_decode(encoded))
        # TensorFlow's default JPEG decoding is a faster and coarser one.
        assert apart.max() <= (8 if format_ == "JPEG" else 0)


@pytest.mark.parametrize("size", ["7x9", "100x11"])
def test_resize_is_that_of_tensorflow(folders: Folders, converter: Converter, size: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    frames = {"0.jpg": encoded_image(0), "1.png": buffer.getvalue()}
    write_sample(folders.inputs / "cat/0", frames)
    dataset = convert(converter, f"--resize={size}")
    height, width = map(int, size.split("x"))
    assert dataset.schema.input.step_shape == (height, width, 3)
    stored = read_records(dataset)["cat/0"]["frames"]
    for found, encoded in zip(stored, frames.values(), strict=True):
        exact = tf.image.resize(
            pillow_decode(encoded), (height, width), method="bicubic", antialias=True
        )
        expected = np.clip(np.round(exact), 0, 255).astype(np.uint8)
        np.testing.assert_array_equal(pillow_decode(found), expected)


def test_property_02_resized_frames_have_the_same_bytes_each_time(
    folders: Folders, converter: Converter
) -> None:
    write_drive(folders, 3)
    flags = ("--resize=12x20", "--label_key=velocity")
    first = hashes(pathlib.Path(convert(converter, *flags).path))
    assert hashes(pathlib.Path(convert(converter, *flags, "--overwrite").path)) == first


_ANNOTATIONS = [
    ([_VELOCITY, {"velocity": 0}], "velocity", [], "record", "value", np.float32(_XY)),
    (_VELOCITY, "velocity", [], "record", "value", np.float32(_XY)),
    ({"v": 3.5}, "v", [], "record", "value", np.float32(3.5)),
    ({"v": [0, 1]}, "v", ["--label_kind=record_value"], "record", "value", np.float32([0, 1])),
    ({"v": 7}, "v", [], "record", "class", np.int64(0)),
    ({"v": "left"}, "v", [], "record", "class", np.int64(0)),
    ({"v": ["b", "a", "b"]}, "v", [], "step", "class", np.int64([1, 0, 1])),
    ({"v": [[0.5], [1.5]]}, "v", ["--label_kind=sequence_value"], "sequence", "value", None),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "key", "flags", "per", "kind", "label"), _ANNOTATIONS)
def test_a_field_of_the_annotation_is_the_label(
    folders: Folders,
    converter: Converter,
    annotation: Any,
    key: str,
    flags: list[str],
    per: str,
    kind: str,
    label: Any,
) -> None:
    frames = {f"imgs/{i}.jpg": encoded_image(i) for i in range(3)}
    write_sample(folders.inputs / "0", frames, annotation)
    dataset = convert(converter, f"--label_key={key}", *flags)
    spec = dataset.schema.label
    assert spec is not None
    assert (spec.per, spec.kind) == (per, kind)
    found = read_records(dataset)["0"]["label"]
    expected = np.float32([0.5, 1.5]) if label is None else label
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_the_folder_above_is_the_class_and_fields_are_group_and_split(
    folders: Folders, converter: Converter
) -> None:
    for number, kind in enumerate(["cat", "dog", "cat"]):
        write_sample(folders.inputs / f"all/{kind}/{number}", {"0.jpg": encoded_image(number)})
    dataset = convert(converter, r"--group_regex=\d")
    assert dataset.schema.label is not None
    assert dataset.schema.label.class_names == ("cat", "dog")
    labels = {name: int(record["label"]) for name, record in read_records(dataset).items()}
    assert labels == {"all/cat/0": 0, "all/dog/1": 1, "all/cat/2": 0}
    assert sorted(dataset.split("train").groups()) == ["0", "1", "2"]


def test_group_and_split_can_be_fields(folders: Folders, converter: Converter) -> None:
    for number, (drive, split) in enumerate([(3, "test"), (7, "train"), (7.0, "train")]):
        annotation = {"drive": drive, "split": split, "v": 0.5}
        write_sample(folders.inputs / str(number), {"0.jpg": encoded_image(number)}, annotation)
    dataset = convert(
        converter, "--label_key=v", "--group_key=drive", "--split_key=split", "--splits="
    )
    assert dataset.split("test").ids() == ["0"]
    assert sorted(dataset.split("train").groups()) == ["7", "7"]


def png_header(height: int, width: int, depth: int = 8) -> bytes:
    """A PNG that is whole but for its pixels."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0))]
    parts += [(b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n"
    for name, data in parts:
        checksum = struct.pack(">I", zlib.crc32(name + data))
        content += struct.pack(">I", len(data)) + name + data + checksum
    return content


def jpeg_header(height: int, width: int) -> bytes:
    frame = struct.pack(">BHHB", 8, height, width, 3) + bytes(9)
    return b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xc0" + struct.pack(">H", 17) + frame


_JPEG = encoded_image(1)
_PNG = encoded_image(1, "PNG")
_DEEP = b"[" * 1_000_000


def _annotated(content: bytes) -> Callable[[pathlib.Path], None]:
    def make(folder: pathlib.Path) -> None:
        write_sample(folder, {"imgs/1.jpg": _JPEG, "annotation.json": content})

    return make


def _framed(**frames: bytes) -> Callable[[pathlib.Path], None]:
    def make(folder: pathlib.Path) -> None:
        files = {f"imgs/{name}.jpg": content for name, content in frames.items()}
        write_sample(folder, files, [_VELOCITY])

    return make


def _without_annotation(folder: pathlib.Path) -> None:
    write_sample(folder, {"imgs/1.jpg": _JPEG})


def _without_frames(folder: pathlib.Path) -> None:
    write_sample(folder, {"notes.txt": b"no frames"}, [_VELOCITY])


def _other_files(folder: pathlib.Path) -> None:
    write_sample(folder, {"notes.txt": b"nothing else"})


_LARGE = "50000 x 50000 pixels, more than --max_frame_pixels=64000000; make it smaller"
_BAD = [
    (_without_annotation, "describe", "no annotation.json for field 'velocity' (--label_key)"),
    (_without_frames, "describe", "no frames: no image files in it, nor in imgs/"),
    (_other_files, "describe", "no frames: no image files in it, nor in imgs/"),
    (_framed(a=_JPEG, b=_JPEG[:-40]), "write", "frame b.jpg: damaged or cut short"),
    (_framed(a=_PNG[:-40]), "write", "frame a.jpg: damaged or cut short"),
    (_framed(a=_JPEG[:20]), "describe", "frame a.jpg: cut short within its header"),
    (_framed(a=b"a text"), "describe", "frame a.jpg: no image that is read (it begins with b'a t"),
    (_framed(a=b""), "describe", "frame a.jpg: it is empty; remove it"),
    (_framed(a=png_header(50_000, 50_000)), "describe", _LARGE),
    (_framed(a=jpeg_header(50_000, 50_000)), "describe", _LARGE),
    (_framed(a=png_header(0, 7)), "describe", "the header says 0 x 7 pixels"),
    (_framed(a=png_header(24, 40, depth=16)), "describe", "an image of 16 bits per channel; "),
    (_framed(a=png_header(24, 40)), "write", "frame a.jpg: damaged or cut short"),
    (
        _framed(a=_JPEG, b=encoded_image(0, height=25)),
        "describe",
        "frame b.jpg has 25 x 40 pixels, frame a.jpg has 24 x 40",
    ),
    (
        _framed(a=encoded_image(0, height=25)),
        "check",
        "steps of uint8 [25, 40, 3], most of the set's are uint8 [24, 40, 3]; make all frames "
        "alike with --resize=24x40",
    ),
    (_annotated(b'{"velocity": [1, 2'), "describe", "annotation.json is no JSON"),
    (_annotated(b"\xff\xfe\xfd"), "describe", "annotation.json is no JSON"),
    (_annotated(_DEEP), "describe", "annotation.json is nested too deeply to be read"),
    (_annotated(b"[]"), "describe", "annotation.json holds an empty list; expected an object"),
    (_annotated(b"3"), "describe", "annotation.json holds a number or true or false; expected"),
    (_annotated(b'{"v": 1, "w": 2}'), "describe", "no field 'velocity' (--label_key) in annotat"),
    (_annotated(b'{"velocity": [[1], [2, 3]]}'), "describe", "is a list of unlike things"),
    (_annotated(b'{"velocity": ["a", 1]}'), "describe", "is a list of unlike things"),
    (_annotated(b'{"velocity": null}'), "describe", "'velocity' of annotation.json is null"),
    (_annotated(b'{"velocity": []}'), "describe", "is an empty list; expected a number"),
    (_annotated(b'{"velocity": [1.5, 2.5, 3.5]}'), "check", "expected [2] per record; repair it"),
    (_annotated(b'{"velocity": [1e99, 2.5]}'), "describe", "holds 1e+99, too large for float32"),
    (_annotated(b'{"velocity": "fast"}'), "check", "the label's form is text, most of the set's "
     "are value; store one form"),
    (_annotated(b'{"velocity": [0, 0]}'), "check", "the label's form is integer, most of the set's "
     "are value; use --label_kind=record_value"),
]  # fmt: skip


def test_property_05_every_bad_folder_is_rejected_with_its_reason(
    folders: Folders, converter: Converter
) -> None:
    write_drive(folders, 6)
    for number, (make, _, _) in enumerate(_BAD):
        make(folders.inputs / f"bad{number}")
    dataset = convert(converter, "--label_key=velocity", "--max_rejected_fraction=1")
    found = {reject["path"]: reject for reject in rejects(dataset)}
    assert len(found) == dataset.manifest.rejects == len(_BAD)
    for number, (_, stage, reason) in enumerate(_BAD):
        reject = found[f"bad{number}"]
        assert reason in reject["reason"]
        assert (reject["stage"], ";" in reject["reason"]) == (stage, True), reject
    assert sorted(read_records(dataset)) == sorted(map(str, range(6)))


@pytest.mark.parametrize(
    ("frames", "annotation", "message"),
    [
        ({"x.jpg": _JPEG}, None, "no label: no annotation.json and no folder above it that would"),
        ({"x.jpg": _JPEG}, {"v": 1}, "has the fields v; name the label with --label_key"),
    ],
)
def test_a_label_that_is_not_clear_is_asked_for(
    folders: Folders, converter: Converter, frames: Any, annotation: Any, message: str
) -> None:
    write_sample(folders.inputs / "0", frames, annotation)
    outcome = converter.run(*_FLAGS)
    assert outcome.code == 1
    assert message in outcome.text


def test_frames_without_a_folder_of_their_own_are_told(
    folders: Folders, converter: Converter
) -> None:
    (folders.inputs / "0.jpg").write_bytes(_JPEG)
    assert "directly in --input_dir; give every sample a folder" in converter.run(*_FLAGS).text


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--source=image_folders"], "no folder with frames under --input_dir="),
        (["--source=image_folders", "--resize=180"], "--resize=180: expected HEIGHTxWIDTH"),
        (["--source=image_folders", "--window_samples=3"], "--window_samples has no effect with"),
        (["--resize=3x4"], "--resize has no effect with --source=signals"),
        (["--source=image_folders", "--max_frame_pixels=0"], "expected a number above 0"),
    ],
)
def test_flags_without_effect_are_refused(
    converter: Converter, flags: list[str], message: str
) -> None:
    outcome = converter.run(*flags)
    assert outcome.code in (1, 2)
    assert message in outcome.text


@pytest.mark.parametrize("header", [png_header, jpeg_header])
def test_a_huge_image_is_rejected_in_little_memory(
    folders: Folders, header: Callable[[int, int], bytes]
) -> None:
    bomb = header(50_000, 49_999) + bytes(10_000_000)
    write_sample(folders.inputs / "0", {"imgs/1.jpg": bomb})
    options = ImageFolderOptions(str(folders.inputs), "", "test")
    tracemalloc.start()
    with pytest.raises(RejectedInputError, match=r"1\.jpg: 50000 x 49999 pixels, more than"):
        ImageFolderSource(options, GFiles()).describe("0")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 500_000


@pytest.mark.parametrize(
    ("other", "reason"), [("a", "is no name: expected one line"), (1, "a list of unlike things")]
)
def test_of_many_texts_none_takes_the_bytes_of_the_longest(
    folders: Folders, other: Any, reason: str
) -> None:
    annotation = {"v": ["x" * 10_000, *[other] * 10_000]}
    write_sample(folders.inputs / "0", {"imgs/1.jpg": _JPEG}, annotation)
    options = ImageFolderOptions(str(folders.inputs), "", "t", label_key="v")
    tracemalloc.start()
    with pytest.raises(RejectedInputError, match=reason):
        ImageFolderSource(options, GFiles()).describe("0")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 2_000_000


def test_a_huge_annotation_is_not_read(folders: Folders) -> None:
    sample = write_sample(folders.inputs / "0", {"imgs/1.jpg": _JPEG}, [])
    with open(sample / "annotation.json", "r+b") as file:
        file.truncate((16 << 20) + 1)  # A hole, which takes no space on the disk.
    options = ImageFolderOptions(str(folders.inputs), "", "test")
    with pytest.raises(
        RejectedInputError, match="has 16777217 bytes, more than --max_annotation_mib=16 MiB"
    ):
        ImageFolderSource(options, GFiles()).describe("0")


@pytest.mark.parametrize("mode", MODES)
def test_headers_say_what_pillow_says(mode: tuple[str, str]) -> None:
    header = read_image_header(io.BytesIO(encoded_image(0, *mode, height=31, width=17)))
    assert header[:4] == (mode[0].lower(), 31, 17, 1)
    assert header.has_alpha == (mode[1] in ("RGBA", "LA"))


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xd8\xff\xda\x00\x04ab",
        b"\xff\xd8\xff\xe0\x00\x00",
        b"\xff\xd8" + b"\xff\xe0\x00\x02" * 10_000,
        b"\xff\xd8\xff\xe0\x00\x02no marker",
        b"\xff\xd8" + b"\xff" * 10_000,
        b"\xff\xd8\xff\xe0\xff\xff",
        b"\x89PNG\r\n\x1a\n" + bytes(16),
    ],
)
def test_a_damaged_header_is_a_rejection(content: bytes) -> None:
    with pytest.raises(RejectedInputError, match=r"; copy|cut short|; save"):
        read_image_header(io.BytesIO(content))

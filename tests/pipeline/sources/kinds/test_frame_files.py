"""Frames as files: which are some, which way they stand, what is said of what is none."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from pipeline.console.errors import RejectedInputError
from pipeline.sources.frames.decoding import upright
from pipeline.sources.frames.header import read_image_header
from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds.image_folders import ImageFolderOptions, ImageFolderSource
from tests.pipeline.batches.test_frames_batches import encoded_image, pillow_decode
from tests.pipeline.conversions import Converter, Folders, read_records, rejects
from tests.pipeline.sources.kinds.test_image_folders import convert, write_sample
from tfrecords_schema.left_out import LeftOut

_JPEG = encoded_image(1)


def _turned(orientation: int, size: tuple[int, int] = (24, 40)) -> bytes:
    """A JPEG whose EXIF says which way it stands, behind a comment and between other tags."""
    image = Image.open(io.BytesIO(encoded_image(2, height=size[0], width=size[1])))
    exif = image.getexif()
    exif[0x010F], exif[0x0112], exif[0x0131] = "maker", orientation, "software"
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95, exif=exif, comment=b"comment")
    return buffer.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_frames_stand_as_pillow_turns_them(orientation: int) -> None:
    encoded = _turned(orientation)
    header = read_image_header(io.BytesIO(encoded))
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(encoded))))
    found = upright(np.asarray(Image.open(io.BytesIO(encoded))), header.orientation)
    np.testing.assert_array_equal(found, expected)
    assert header.upright_shape == expected.shape[:2]
    assert (header.height, header.width) == (24, 40)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"II*\0",
        b"MM\0*" + b"\xff" * 60,
        b"II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x03\0\x01\0\0\0\x09\0\0\0",
        b"no tiff at all",
    ],
)
def test_exif_that_makes_no_sense_turns_nothing(content: bytes) -> None:
    segment = b"Exif\0\0" + content
    start = b"\xff\xd8\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment
    assert read_image_header(io.BytesIO(start + _JPEG[2:])).orientation == 1


def test_turned_frames_are_stored_upright_and_said(folders: Folders, converter: Converter) -> None:
    lying, standing = _turned(6, (40, 24)), _turned(1)
    write_sample(folders.inputs / "cat/0", {"0.jpg": lying, "1.jpg": standing})
    write_sample(folders.inputs / "cat/1", {"0.png": encoded_image(1, "PNG", "RGBA")})
    dataset = convert(converter)
    first, second = read_records(dataset)["cat/0"]["frames"]
    assert second == standing
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(lying)))
    np.testing.assert_array_equal(pillow_decode(first), np.asarray(expected))
    assert dataset.schema.input.step_shape == (24, 40, 3)
    assert [*dataset.manifest.left_out] == [
        LeftOut("frame", "read without its channel of opacity", 1, "cat/1"),
        LeftOut("frame", "turned upright, as EXIF says, and stored as PNG", 1, "cat/0"),
    ]


def test_what_looks_like_a_frame_is_never_passed_over_in_silence(
    folders: Folders, converter: Converter
) -> None:
    good = {"0.png": encoded_image(0, "PNG"), "1.jpg": _JPEG}
    write_sample(folders.inputs / "a/good", {**good, "notes.TXT": b"x", "2.png.part": b"x"})
    write_sample(folders.inputs / "a/imgs_beside", {"imgs/0.jpg": _JPEG, "9.jpg": _JPEG})
    write_sample(folders.inputs / "a/list", good)
    bad = ("ppm", "jxl", "tiff", "heic", "JP2")
    for ending in bad:
        write_sample(folders.inputs / f"a/{ending}", {**good, f"2.{ending}": b"no pixels"})
    for empty in ("a/nothing", "a/no_imgs/imgs", "a/hidden/.thumbs"):
        (folders.inputs / empty).mkdir(parents=True)
    write_sample(folders.inputs / "a/no_imgs/below", good)
    (folders.inputs / "a/readme").write_text("x")
    dataset = convert(converter, "--max_rejected_fraction=0.9")
    assert sorted(read_records(dataset)) == [
        "a/good", "a/imgs_beside", "a/list", "a/no_imgs/below",
    ]  # fmt: skip
    found = {reject["path"]: reject["reason"] for reject in rejects(dataset)}
    for ending in bad:
        assert f"frame 2.{ending}: no image that is read (it begins with b'no pixel')" in (
            found.pop(f"a/{ending}")
        )
    assert found.keys() == {"a/nothing", "a/no_imgs", "a/hidden"}
    assert {*found.values()} == {"it is empty; remove it, or copy it again"}
    assert {*dataset.manifest.left_out} == {
        LeftOut("file", "ending in .txt, no frame", 1, "a/good/notes.TXT"),
        LeftOut("file", "ending in .part, no frame", 1, "a/good/2.png.part"),
        LeftOut("file", "without an ending, no frame", 1, "a/readme"),
        LeftOut("file", "a frame beside imgs/, where all frames of a sample are", 1,
                "a/imgs_beside"),
        LeftOut("folder", "its name begins with a dot", 1, "a/hidden/.thumbs"),
    }  # fmt: skip


def _source(folders: Folders, **options: str) -> ImageFolderSource:
    return ImageFolderSource(ImageFolderOptions(str(folders.inputs), "", "t", **options), GFiles())


def test_of_a_list_in_an_annotation_those_behind_the_first_are_counted(folders: Folders) -> None:
    write_sample(folders.inputs / "0", {"0.jpg": _JPEG}, [{"v": 0.5}, {"v": 1.5}, {"v": 2.5}])
    (row,) = _source(folders, label_key="v").describe("0").left_out
    assert row == LeftOut("object", "in annotation.json, behind the first, which counts alone", 2)


def test_frames_of_several_sizes_are_alike_once_they_are_resized(folders: Folders) -> None:
    frames = {f"{i}.jpg": encoded_image(i, height=h, width=72) for i, h in enumerate([64, 72])}
    write_sample(folders.inputs / "a/0", frames)
    for read in (_source(folders).describe, _source(folders).read_data):
        with pytest.raises(RejectedInputError, match="make frames alike with --resize, or remove"):
            read("a/0")
    resized = _source(folders, resize="12x20")
    assert resized.describe("a/0").step_shape == (12, 20, 3)
    stored = resized.read("a/0").data
    assert [pillow_decode(frame).shape for frame in stored] == [(12, 20, 3)] * 2
    np.testing.assert_array_equal(resized.read_data("a/0"), [*map(pillow_decode, stored)])


@pytest.mark.parametrize("pictures", [1, 3])
def test_an_animation_is_no_frame(pictures: int) -> None:
    first, *rest = [Image.new("RGB", (8, 6), (number, 0, 0)) for number in range(pictures)]
    buffer = io.BytesIO()
    first.save(buffer, "PNG", save_all=True, append_images=rest)
    buffer.seek(0)
    if pictures == 1:
        assert read_image_header(buffer)[:3] == ("png", 6, 8)
    else:
        with pytest.raises(RejectedInputError, match="a PNG of 3 pictures, an animation"):
            read_image_header(buffer)


def test_the_folder_of_frames_has_letters_of_any_case(
    folders: Folders, converter: Converter
) -> None:
    for number, name in enumerate(("imgs", "IMGS", "Imgs")):
        write_sample(folders.inputs / f"walk/{number}", {f"{name}/1.jpg": _JPEG})
    write_sample(folders.inputs / "walk/twice", {"imgs/1.jpg": _JPEG, "Imgs/2.jpg": _JPEG})
    dataset = convert(converter, "--max_rejected_fraction=0.5")
    assert dataset.schema.label.class_names == ("walk",)
    assert {*read_records(dataset)} == {"walk/0", "walk/1", "walk/2"}
    (reject,) = rejects(dataset)
    assert reject["reason"] == "frames in Imgs and imgs; keep one of these folders"

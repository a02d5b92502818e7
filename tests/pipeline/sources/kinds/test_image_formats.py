"""Images that Pillow reads, and those of more than 8 bits: their pixels, and what is refused."""

import io
import pathlib
import struct
import tracemalloc
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.sources.frames.header import read_image_header
from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds.image_folders import ImageFolderOptions, ImageFolderSource
from tests.pipeline.batches.test_frames_batches import encoded_image, pillow_decode
from tests.pipeline.conversions import Converter, Folders, read_records
from tests.pipeline.sources.kinds.test_image_folders import convert, write_sample
from tfrecords_schema.left_out import LeftOut

_HEIGHT, _WIDTH = 24, 40


def _saved(image: Image.Image, format_: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def _image(mode: str = "RGB", seed: int = 0) -> Image.Image:
    return Image.open(io.BytesIO(encoded_image(seed, "PNG"))).convert(mode)


def _transparent() -> Image.Image:
    image = _image("RGBA")
    image.putalpha(100)
    return image


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def _source(folder: pathlib.Path, **options: str) -> ImageFolderSource:
    return ImageFolderSource(ImageFolderOptions(str(folder), "", "t", **options), GFiles())


def _described_and_read(folder: pathlib.Path, content: bytes, **options: str) -> np.ndarray:
    """The pixels of a frame; what is stored and what is predicted from are the same."""
    write_sample(folder / "a/0", {"0.png": content})
    source = _source(folder, **options)
    described, raw, data = source.describe("a/0"), source.read("a/0"), source.read_data("a/0")
    assert described.step_shape == data.shape[1:]
    np.testing.assert_array_equal(pillow_decode(raw.data[0]), data[0])
    return data[0]


_PLAIN = {
    "webp": _saved(_image(), "WEBP", quality=70),
    "webp, lossless, transparent": _saved(_transparent(), "WEBP", lossless=True),
    "webp, turned": _saved(_image(), "WEBP", exif=_exif(6)),
    "bmp": _saved(_image(), "BMP"),
    "bmp, palette": _saved(_image("P"), "BMP"),
    "tiff": _saved(_image(), "TIFF"),
    "tiff, compressed": _saved(_image(), "TIFF", compression="tiff_lzw"),
    "tiff, grey": _saved(_image("L"), "TIFF"),
    "tiff, one bit": _saved(_image("1"), "TIFF"),
    "tiff, turned": _saved(_image(), "TIFF", exif=_exif(5)),
    "tiff, upside down": _saved(_image(), "TIFF", exif=_exif(3)),
    "gif": _saved(_image("P"), "GIF"),
    "pgm": _saved(_image("L"), "PPM"),
    "pgm of 4 bits": b"P2 3 2 15\n0 1 2 13 14 15\n",
    "ppm": _saved(_image(), "PPM"),
    "png, turned": _saved(_image(), "PNG", exif=_exif(8)),
}


@pytest.mark.parametrize("name", _PLAIN)
def test_frames_have_the_pixels_that_pillow_reads(tmp_path: pathlib.Path, name: str) -> None:
    found = _described_and_read(tmp_path, _PLAIN[name])
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(_PLAIN[name]))).convert("RGB")
    np.testing.assert_array_equal(found, np.asarray(expected))


def test_a_conversion_stores_them_as_png_and_says_what_it_changed(
    folders: Folders, converter: Converter
) -> None:
    frames = {f"{i}.x": _PLAIN[name] for i, name in enumerate(_PLAIN) if name != "pgm of 4 bits"}
    write_sample(folders.inputs / "a/0", {f"imgs/{name}": frames[name] for name in frames})
    dataset = convert(converter, "--resize=24x40")
    stored = read_records(dataset)["a/0"]["frames"]
    assert {bytes(frame[:4]) for frame in stored} == {b"\x89PNG"}
    assert {*dataset.manifest.left_out} == {
        LeftOut("frame", "read without its channel of opacity", 1, "a/0"),
        LeftOut("frame", "turned upright, as EXIF says, and stored as PNG", 4, "a/0"),
    }


def _grey(low: float, high: float) -> np.ndarray:
    return np.random.default_rng(1).uniform(low, high, (_HEIGHT, _WIDTH))


def _tiff_of_deep_colours() -> bytes:
    """The smallest TIFF of 16 bits in each of three colours, which Pillow reads as 8."""
    short, long = 3, 4
    tags = [
        (256, short, 1, 2), (257, short, 1, 1), (258, short, 3, 110), (259, short, 1, 1),
        (262, short, 1, 2), (273, long, 1, 116), (277, short, 1, 3), (279, long, 1, 12),
    ]  # fmt: skip
    content = b"II*\0" + struct.pack("<IH", 8, len(tags))
    content += b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    return content + struct.pack("<3H", 16, 16, 16) + struct.pack("<6H", *range(0, 60_000, 10_000))


_WHOLE = _grey(0, 65536).astype(np.uint16)
_COLOURS = np.random.default_rng(2).integers(0, 65536, (_HEIGHT, _WIDTH, 3)).astype(np.uint16)
_FLOATS = _grey(-20.0, 40.0).astype(np.float32)
_DEEP = {
    "png": (_WHOLE, _saved(Image.fromarray(_WHOLE), "PNG")),
    "png of colours": (_COLOURS, tf.io.encode_png(_COLOURS).numpy()),
    "tiff": (_WHOLE, _saved(Image.fromarray(_WHOLE), "TIFF")),
    "tiff, big-endian": (_WHOLE, _saved(Image.fromarray(_WHOLE.astype(">u2")), "TIFF")),
    "tiff of floats": (_FLOATS, _saved(Image.fromarray(_FLOATS), "TIFF")),
    "pgm": (_WHOLE, b"P5 40 24 65535\n" + _WHOLE.astype(">u2").tobytes()),
}


@pytest.mark.parametrize("name", _DEEP)
@pytest.mark.parametrize("levels", [(0, 65535), (-10.5, 30)])
def test_more_than_8_bits_are_scaled_as_a_flag_says(
    tmp_path: pathlib.Path, name: str, levels: tuple[float, float]
) -> None:
    values, content = _DEEP[name]
    low, high = levels
    found = _described_and_read(tmp_path, content, value_range=f"{low}:{high}")
    exact = np.clip((values.astype(np.float64) - low) / (high - low), 0, 1) * 255
    expected = exact if values.ndim == 3 else exact[..., np.newaxis].repeat(3, axis=2)
    assert np.abs(found - expected).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("name", _DEEP)
def test_without_a_flag_more_than_8_bits_are_refused(tmp_path: pathlib.Path, name: str) -> None:
    write_sample(tmp_path / "a/0", {"0.png": _DEEP[name][1]})
    for read in (_source(tmp_path).describe, _source(tmp_path).read_data):
        with pytest.raises(RejectedInputError, match=r"bits per channel; .*--value_range=0:65535"):
            read("a/0")


_PICTURES = [Image.new("RGB", (8, 6), (90 * number, 0, 0)) for number in range(3)]
_REFUSED = {
    "gif": (
        _saved(_PICTURES[0], "GIF", save_all=True, append_images=_PICTURES[1:]),
        "a GIF file of several pictures",
    ),
    "webp": (
        _saved(_PICTURES[0], "WEBP", save_all=True, append_images=_PICTURES[1:]),
        "a WEBP file of several pictures",
    ),
    "tiff": (
        _saved(_PICTURES[0], "TIFF", save_all=True, append_images=_PICTURES[1:]),
        "a TIFF file of several pictures",
    ),
    "deep colours": (_tiff_of_deep_colours(), "of 16 bits per channel, of which some would be"),
    "deep ppm": (b"P6 1 1 1023\n" + bytes(6), "a PPM file of 10 bits per channel, of which"),
    "whole numbers of 32 bits": (
        _saved(Image.fromarray(_WHOLE.astype(np.int32)), "TIFF"),
        "a TIFF file of 32 bits per channel, of which",
    ),
    "postscript": (_saved(_PICTURES[0], "EPS"), "no image that is read"),
    "bmp": (_PLAIN["bmp"][:20], "Pillow cannot read it|no image that is read"),
    "webp cut short": (_PLAIN["webp"][:40], "Pillow cannot read it"),
}


@pytest.mark.parametrize("name", _REFUSED)
def test_what_would_lose_something_is_refused(name: str) -> None:
    content, reason = _REFUSED[name]
    with pytest.raises(RejectedInputError, match=reason):
        read_image_header(io.BytesIO(content))


@pytest.mark.parametrize("name", ["bmp", "tiff, compressed", "webp", "gif", "ppm"])
def test_damaged_pixels_are_a_rejection(tmp_path: pathlib.Path, name: str) -> None:
    content = _PLAIN[name]
    is_tiff = name.startswith("tiff")  # Its header is at the end.
    damaged = content[:100] + b"\xff" * 900 + content[1000:] if is_tiff else content[:-300]
    write_sample(tmp_path / "a/0", {"0.png": damaged})
    with pytest.raises(RejectedInputError, match=r"frame 0\.png: .*(copy it again|save it again)"):
        _source(tmp_path).read("a/0")


@pytest.mark.parametrize(
    "content",
    [
        b"P5 60000 60000 255\n",
        _PLAIN["gif"][:6] + struct.pack("<HH", 60_000, 60_000) + _PLAIN["gif"][10:],
        _PLAIN["bmp"][:18] + struct.pack("<ii", 60_000, 60_000) + _PLAIN["bmp"][26:],
    ],
)
def test_a_huge_image_is_refused_by_its_header(tmp_path: pathlib.Path, content: bytes) -> None:
    write_sample(tmp_path / "a/0", {"0.png": content})
    read_image_header(io.BytesIO(_PLAIN["bmp"]))  # Pillow loads its parts once.
    tracemalloc.start()
    with pytest.raises(RejectedInputError, match="60000 x 60000 pixels, more than"):
        _source(tmp_path).describe("a/0")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 500_000


@pytest.mark.parametrize("text", ["65535", "0:0", "5:1", "a:b", "0:inf", "0:1:2"])
def test_a_range_is_two_numbers_that_grow(tmp_path: pathlib.Path, text: str) -> None:
    with pytest.raises(UsageError, match="expected LOW:HIGH, two numbers that grow"):
        ImageFolderOptions(str(tmp_path), "", "t", value_range=text).check()

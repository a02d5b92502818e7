"""Format and size of an image from its header, before anything is decoded.

A file of a few bytes can announce an image of many GB, so the size is read here first, in a few
hundred bytes of memory, and refused where it is too large.
"""

import struct
from typing import IO

from pipeline.console.errors import RejectedInputError
from pipeline.sources.frames.image import ImageHeader

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_START = b"\xff\xd8\xff"
# Start of frame, which holds the size: all of 0xC0 to 0xCF but DHT, JPG and DAC (ITU T.81, B.1).
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_JPEG_SCAN, _JPEG_END = 0xDA, 0xD9
_JPEG_EXIF, _EXIF_START, _MAX_EXIF_BYTES = 0xE1, b"Exif\0\0", 1 << 16
# Exif 2.32, 4.5 and 4.6.4.
_TIFF_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_TIFF_SHORT, _EXIF_ORIENTATION, _ORIENTATIONS = 3, 0x0112, range(1, 9)
_PNG_WITH_ALPHA = (4, 6)
_PNG_REST_OF_FIRST_BYTES, _PNG_CHECKSUM_BYTES, _MAX_PNG_PARTS = 7, 4, 1024
# Cameras write about 10, colour profiles and previews some hundred; a limit keeps the loop short.
_MAX_JPEG_SEGMENTS = 4096


def read_image_header(file: IO[bytes]) -> ImageHeader:
    """Reads the header of an image, whatever the file is called.

    Args:
      file: seekable, at its beginning.

    Raises:
      RejectedInputError: if it is none, cut short within the header, or has no pixels.
    """
    from pipeline.sources.frames import pillow  # Help must not wait for it.

    start = file.read(len(_PNG_SIGNATURE))
    if start == _PNG_SIGNATURE:
        header = _png_header(file)
    elif start.startswith(_JPEG_START):
        file.seek(len(_JPEG_START) - 1)
        header = _jpeg_header(file)
    else:
        file.seek(0)
        found = pillow.read_header(file)
        if found is None:
            raise RejectedInputError(
                f"no image that is read ({_what(start)}); remove it, or save it as JPEG, PNG, "
                "WebP, BMP, TIFF, GIF or PNM"
            )
        header = found
    if not header.height or not header.width:
        raise RejectedInputError(
            f"the header says {header.height} x {header.width} pixels; save the image again"
        )
    return header


def _png_header(file: IO[bytes]) -> ImageHeader:
    length, name, width, height, depth, colour = struct.unpack(">I4sIIBB", _exactly(file, 18))
    if name != b"IHDR" or length != 13:
        raise RejectedInputError("a PNG without its first part (IHDR); copy or save it again")
    header = ImageHeader("png", height, width, 1, colour in _PNG_WITH_ALPHA, depth)
    return header._replace(orientation=_png_orientation(file))


def _png_orientation(file: IO[bytes]) -> int:
    """What EXIF before the pixels says (PNG 3, 11.3.4.3).

    Raises:
      RejectedInputError: of an animation, which is said there, too (11.3.6.1).
    """
    orientation = 1
    file.seek(_PNG_REST_OF_FIRST_BYTES, 1)
    for _ in range(_MAX_PNG_PARTS):
        part = file.read(12)
        if len(part) < 12 or part[4:8] == b"IDAT":  # What is cut short is found when it is decoded.
            break
        length, name, pictures = struct.unpack(">I4sI", part)
        if name == b"acTL" and pictures > 1:
            raise RejectedInputError(
                f"a PNG of {pictures} pictures, an animation; save each as a file of its own"
            )
        file.seek(-4, 1)
        if name == b"eXIf":
            content = file.read(min(length, _MAX_EXIF_BYTES))
            orientation = _orientation(content)
            length -= len(content)
        file.seek(length + _PNG_CHECKSUM_BYTES, 1)
    return orientation


def _jpeg_header(file: IO[bytes]) -> ImageHeader:
    orientation = 1
    for _ in range(_MAX_JPEG_SEGMENTS):
        marker = _jpeg_marker(file)
        if marker in _JPEG_WITHOUT_LENGTH:
            continue
        if marker in (_JPEG_SCAN, _JPEG_END):
            break
        (length,) = struct.unpack(">H", _exactly(file, 2))
        if marker in _JPEG_SIZES:
            _, height, width = struct.unpack(">BHH", _exactly(file, 5))
            return ImageHeader("jpeg", height, width, orientation)
        if length < 2:
            break
        if marker == _JPEG_EXIF and orientation == 1:
            segment = _exactly(file, length - 2)
            tiff = segment.removeprefix(_EXIF_START)
            orientation = 1 if tiff == segment else _orientation(tiff)
        else:
            file.seek(length - 2, 1)
    raise RejectedInputError("a JPEG whose header has no size; copy or save it again")


def _orientation(tiff: bytes) -> int:
    """What EXIF says, a TIFF header and tags behind it; 1 where that makes no sense."""
    order = _TIFF_ORDERS.get(tiff[:4], "")
    if not order:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (tags,) = struct.unpack_from(f"{order}H", tiff, start)
        for place in range(start + 2, start + 2 + 12 * tags, 12):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, place)
            if (tag, kind) == (_EXIF_ORIENTATION, _TIFF_SHORT) and value in _ORIENTATIONS:
                return value
    except struct.error:  # It is cut short.
        pass
    return 1


def _jpeg_marker(file: IO[bytes]) -> int:
    if _exactly(file, 1) != b"\xff":
        raise RejectedInputError("a JPEG with a damaged header; copy or save it again")
    for _ in range(_MAX_JPEG_SEGMENTS):  # Any number of 0xFF may fill up before a marker.
        marker = _exactly(file, 1)[0]
        if marker != 0xFF:
            break
    return marker


def _exactly(file: IO[bytes], size: int) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise RejectedInputError("cut short within its header; copy or save it again")
    return content


def _what(start: bytes) -> str:
    return f"it begins with {start!r}" if start else "the file is empty"

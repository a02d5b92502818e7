"""Format and size of a PNG or JPEG image from its header, before anything is decoded.

A file of a few bytes can announce an image of many GB, so the size is read here first, in a few
hundred bytes of memory, and refused where it is too large.
"""

import struct
from typing import IO, NamedTuple

from pipeline.console.errors import RejectedInputError

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_START = b"\xff\xd8\xff"
# Start of frame, which holds the size: all of 0xC0 to 0xCF but DHT, JPG and DAC (ITU T.81, B.1).
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_JPEG_SCAN, _JPEG_END = 0xDA, 0xD9
_JPEG_EXIF, _EXIF_START = 0xE1, b"Exif\0\0"
# Exif 2.32, 4.5 and 4.6.4.
_TIFF_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_TIFF_SHORT, _EXIF_ORIENTATION, _ORIENTATIONS = 3, 0x0112, range(1, 9)
_PNG_WITH_ALPHA = (4, 6)
_PNG_REST_OF_FIRST_BYTES, _PNG_CHECKSUM_BYTES, _MAX_PNG_PARTS = 7, 4, 1024
# Cameras write about 10, colour profiles and previews some hundred; a limit keeps the loop short.
_MAX_JPEG_SEGMENTS = 4096


class ImageHeader(NamedTuple):
    """What an image's header says of it.

    Attributes:
      format: `png` or `jpeg`.
      height: of the stored pixels.
      width: likewise.
      orientation: how they have to be turned to stand upright, as EXIF numbers it; 1 is not at all.
      has_alpha: whether there is a channel of opacity beside the colours.
    """

    format: str
    height: int
    width: int
    orientation: int = 1
    has_alpha: bool = False

    @property
    def upright_shape(self) -> tuple[int, int]:
        """Height and width once it stands upright."""
        is_lying = self.orientation >= 5
        return (self.width, self.height) if is_lying else (self.height, self.width)


def read_image_header(file: IO[bytes]) -> ImageHeader:
    """Reads the header of a PNG or JPEG image, whatever the file is called.

    Args:
      file: seekable, at its beginning.

    Raises:
      RejectedInputError: if it is neither, cut short within the header, has no pixels, or more
        than 8 bits per channel.
    """
    start = file.read(len(_PNG_SIGNATURE))
    if start == _PNG_SIGNATURE:
        header = _png_header(file)
    elif start.startswith(_JPEG_START):
        file.seek(len(_JPEG_START) - 1)
        header = _jpeg_header(file)
    else:
        raise RejectedInputError(
            f"neither JPEG nor PNG ({_what(start)}); remove it, or save it as an image"
        )
    if not header.height or not header.width:
        raise RejectedInputError(
            f"the header says {header.height} x {header.width} pixels; save the image again"
        )
    return header


def _png_header(file: IO[bytes]) -> ImageHeader:
    length, name, width, height, depth, colour = struct.unpack(">I4sIIBB", _exactly(file, 18))
    if name != b"IHDR" or length != 13:
        raise RejectedInputError("a PNG without its first part (IHDR); copy or save it again")
    if depth > 8:  # Decoding would keep the upper 8 bits: little of a depth map or an X-ray image.
        raise RejectedInputError(f"a PNG of {depth} bits per channel; scale and save it in 8 bits")
    if (pictures := _png_pictures(file)) > 1:
        raise RejectedInputError(
            f"a PNG of {pictures} pictures, an animation; save each as a file of its own"
        )
    return ImageHeader("png", height, width, has_alpha=colour in _PNG_WITH_ALPHA)


def _png_pictures(file: IO[bytes]) -> int:
    """Pictures of an animation, which is said before the first (PNG 3, 11.3.6.1); else 1."""
    file.seek(_PNG_REST_OF_FIRST_BYTES, 1)
    for _ in range(_MAX_PNG_PARTS):
        part = file.read(12)
        if len(part) < 12 or part[4:8] == b"IDAT":  # What is cut short is found when it is decoded.
            break
        length, name, pictures = struct.unpack(">I4sI", part)
        if name == b"acTL":
            return pictures
        file.seek(length + _PNG_CHECKSUM_BYTES - 4, 1)
    return 1


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
            orientation = _orientation(_exactly(file, length - 2))
        else:
            file.seek(length - 2, 1)
    raise RejectedInputError("a JPEG whose header has no size; copy or save it again")


def _orientation(segment: bytes) -> int:
    """What EXIF says, a TIFF header and tags behind it; 1 where that makes no sense."""
    tiff = segment.removeprefix(_EXIF_START)
    order = _TIFF_ORDERS.get(tiff[:4], "")
    if not order or tiff == segment:
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

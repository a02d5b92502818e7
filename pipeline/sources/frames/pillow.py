"""Images of the formats that are read with Pillow: BMP, GIF, PBM to PPM, TIFF, WebP.

It is asked for these alone: behind some of its others are programs or tables of any size, and of
some it keeps 8 of more bits without a word.
"""

from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.console.errors import RejectedInputError
from pipeline.sources.frames.image import ImageHeader
from pipeline.sources.recordings.libraries import reading

_FORMATS = ("BMP", "GIF", "PPM", "TIFF", "WEBP")
_DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")
_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_BITS, _ORIENTATION = 256, 257, 258, 274

Image.MAX_IMAGE_PIXELS = None  # --max_frame_pixels is the limit of all that is opened here.


def read_header(file: IO[bytes]) -> ImageHeader | None:
    """Reads the header of an image; None if it is of no such format.

    Args:
      file: seekable, at its beginning.

    Raises:
      RejectedInputError: if it is damaged, has several pictures, or bits that Pillow drops.
    """
    try:
        with reading("Pillow"):
            return _header(file)
    except RejectedInputError as error:
        if isinstance(error.__cause__, UnidentifiedImageError):
            return None
        raise


def decode(file: IO[bytes]) -> np.ndarray:
    """Decodes an image whose header has been checked, and turns it upright.

    Returns:
      `[height, width, 3]` uint8; of more than 8 bits `[height, width]` of uint16, int32 or float32.

    Raises:
      RejectedInputError: if it is damaged.
    """
    with reading("Pillow"), Image.open(file, formats=_FORMATS) as image:
        upright = ImageOps.exif_transpose(image)
        return np.asarray(upright if image.mode in _DEEP_MODES else upright.convert("RGB"))


def _header(file: IO[bytes]) -> ImageHeader:
    with Image.open(file, formats=_FORMATS) as image:
        name, (width, height), bits = str(image.format), image.size, _bits(image)
        if getattr(image, "is_animated", False):
            raise RejectedInputError(
                f"a {name} file of several pictures; save each as a file of its own"
            )
        if bits > 8 and not (image.mode == "F" or (bits <= 16 and _is_whole(image))):
            raise RejectedInputError(
                f"a {name} file of {bits} bits per channel, of which some would be lost; save it "
                "as PNG"
            )
        if name == "TIFF":  # Pillow turns the size of some.
            width, height = (_tiff_tags(image)[tag] for tag in (_TIFF_WIDTH, _TIFF_HEIGHT))
        orientation = image.getexif().get(_ORIENTATION, 1)
        has_alpha = "A" in image.mode or "transparency" in image.info
        orientation = orientation if orientation in range(1, 9) else 1
        return ImageHeader(name.lower(), height, width, orientation, has_alpha, bits)


def _tiff_tags(image: Any) -> Mapping[int, Any]:
    return image.tag_v2


def _bits(image: Any) -> int:
    """Bits per channel in the file, whatever Pillow makes of them."""
    if image.format == "TIFF":
        return max(_tiff_tags(image).get(_TIFF_BITS, (1,)))
    if image.mode == "F":
        return 32
    arguments = image.tile[0].args if image.format == "PPM" else ()
    if arguments == "I;16B":
        return 16
    # Of others it scales the largest value to 255 or 65535.
    return int(arguments[1]).bit_length() if isinstance(arguments, tuple) and arguments else 8


def _is_whole(image: Any) -> bool:
    """Whether all of more than 8 bits are read, as they are."""
    is_scaled = image.format == "PPM" and image.tile[0].args != "I;16B"
    return image.mode in _DEEP_MODES and not is_scaled

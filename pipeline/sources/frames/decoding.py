"""Decoding frames to check them, and resizing them, while they are converted."""

import io

import numpy as np
import tensorflow as tf

from pipeline.batches.frames import decode_frame
from pipeline.console.errors import RejectedInputError
from pipeline.sources.frames import pillow
from pipeline.sources.frames.image import ImageHeader

# Within pixels and tables 0xFF is followed by 0, or by a number of no scan (ITU T.81, B.1.1.2).
_JPEG_SCAN, _MAX_JPEG_SCANS = b"\xff\xda", 100


def decode_checked(
    encoded: bytes, header: ImageHeader, value_range: tuple[float, float] | None = None
) -> np.ndarray:
    """Decodes a frame, JPEG and PNG as the input pipeline will, and turns it upright.

    Args:
      encoded: an image.
      header: what its header says.
      value_range: which values become 0 and 255, of more than 8 bits per channel.

    Returns:
      [upright height, upright width, 3] uint8.

    Raises:
      RejectedInputError: if it is damaged, of another size than its header says, or a few bytes
        that take minutes to decode.
    """
    if header.format in ("jpeg", "png"):
        frame = upright(_decoded(encoded, header), header.orientation)
    else:
        frame = pillow.decode(io.BytesIO(encoded))
    if value_range and header.bits > 8:
        frame = _scaled(frame, *value_range)
    if frame.shape != (*header.upright_shape, 3):
        raise RejectedInputError(
            f"decodes to {list(frame.shape)}, its header says {header.height} x {header.width}; "
            "save it again"
        )
    return frame


def _decoded(encoded: bytes, header: ImageHeader) -> np.ndarray:
    """A JPEG or PNG, [height, width, 3] uint8, or uint16 of more than 8 bits."""
    scans = encoded.count(_JPEG_SCAN) if header.format == "jpeg" else 0
    if scans > _MAX_JPEG_SCANS:
        raise RejectedInputError(
            f"a JPEG of {scans} scans, each of which goes over all pixels; cameras and programs "
            f"write some ten, at most {_MAX_JPEG_SCANS} are read; save it again"
        )
    try:
        if header.bits > 8:
            return tf.io.decode_png(encoded, channels=3, dtype=tf.uint16).numpy()
        return decode_frame(encoded).numpy()
    except tf.errors.OpError as error:
        raise RejectedInputError(
            f"damaged or cut short ({_first_line(error)}); copy it again"
        ) from error


def _scaled(frame: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values from `low` to `high` as 0 to 255, others as the nearer of these; grey as colours."""
    if not np.isfinite(frame).all():
        raise RejectedInputError("it has values that are not finite; repair it")
    found = np.empty((*frame.shape[:2], 3), np.uint8)
    for row, values in zip(found, frame, strict=True):  # In float64 there is one row at a time.
        levels = np.clip((values.astype(np.float64) - low) * (255 / (high - low)), 0, 255)
        row[:] = np.rint(levels).reshape(len(row), -1)
    return found


def upright(frame: np.ndarray, orientation: int) -> np.ndarray:
    """Turns a frame as EXIF says: its numbers say where row 0 and column 0 are to be seen.

    Args:
      frame: [height, width, 3].
      orientation: 1 to 8; from 5 on height and width change places (Exif 2.32, 4.6.4).
    """
    if orientation >= 5:
        frame = frame.swapaxes(0, 1)
    from_bottom, from_right = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    frame = frame[::-1] if from_bottom else frame
    return np.ascontiguousarray(frame[:, ::-1] if from_right else frame)


def resized(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes a frame as `tf.image.resize` does, bicubic with antialias.

    Args:
      frame: [any height, any width, 3] uint8.
      height: wanted height in pixels.
      width: wanted width in pixels.

    Returns:
      [height, width, 3] uint8.
    """
    with tf.device("cpu"):  # The same values on every machine.
        exact = tf.image.resize(frame, [height, width], method="bicubic", antialias=True)
        # The bicubic kernel overshoots at edges.
        return tf.cast(tf.clip_by_value(tf.round(exact), 0, 255), tf.uint8).numpy()


def encode_png(frame: np.ndarray, compression: int = -1) -> bytes:
    """Encodes a frame [height, width, 3] uint8; PNG loses nothing.

    Args:
      frame: the pixels.
      compression: from 0, fast, to 9, small; -1 is zlib's own choice.
    """
    with tf.device("cpu"):
        return tf.io.encode_png(frame, compression).numpy()


def encode_jpeg(frame: np.ndarray) -> bytes:
    """Encodes a frame [height, width, 3] uint8 with little loss: quality 95, colours in full."""
    with tf.device("cpu"):
        return tf.io.encode_jpeg(frame, quality=95, chroma_downsampling=False).numpy()


def _first_line(error: tf.errors.OpError) -> str:
    return str(error.message).splitlines()[0].split("[Op:")[0].rpartition("}} ")[2].strip()

"""How much memory one input may take: declared sizes are checked before anything is read.

A file of a few kB can announce arrays, images or texts of many GB, and unpack to them.
"""

import argparse

from pipeline.console.errors import RejectedInputError, UsageError

MAX_RECORD_MIB = 1024.0
MAX_ANNOTATION_MIB = 16.0
MAX_FRAME_PIXELS = 64_000_000
_MIB = 1 << 20
_LARGEST_RECORD_MIB = 2047.0  # A serialized record must stay below 2 GiB.


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of all limits."""
    group = parser.add_argument_group("limits of one input, checked before it is read")
    group.add_argument(
        "--max_record_mib",
        type=float,
        default=MAX_RECORD_MIB,
        help="larger arrays, or frames of a sample together, are rejected; at most 2047",
    )
    group.add_argument(
        "--max_frame_pixels", type=int, default=MAX_FRAME_PIXELS, help="larger frames are rejected"
    )
    group.add_argument(
        "--max_annotation_mib",
        type=float,
        default=MAX_ANNOTATION_MIB,
        help="larger annotation.json are rejected; parsed, JSON takes up to 30 times its size",
    )


def check_limits(max_record_mib: float) -> None:
    """Checks `--max_record_mib`.

    Raises:
      UsageError: if a record of that size cannot be written.
    """
    if max_record_mib > _LARGEST_RECORD_MIB:
        raise UsageError(
            f"--max_record_mib={max_record_mib:g}: a record holds less than 2 GiB; give at most "
            f"{_LARGEST_RECORD_MIB:g}"
        )


def require_size(what: str, size_bytes: int, flag: str, limit_mib: float) -> None:
    """Checks a size that a header declares.

    Raises:
      RejectedInputError: if it is above the limit.
    """
    if size_bytes > limit_mib * _MIB:
        raise RejectedInputError(
            f"{what} has {size_bytes} bytes, more than --{flag}={limit_mib:g} MiB; cut it into "
            "several, or allow more"
        )

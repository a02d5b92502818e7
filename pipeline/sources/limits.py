"""How much memory one input may take: declared sizes are checked before anything is read.

A file of a few kB can announce arrays, images or texts of many GB, and unpack to them.
"""

from pipeline.console.errors import RejectedInputError

MAX_RECORD_MIB = 1024.0
LARGEST_RECORD_MIB = 2047.0  # A serialized record must stay below 2 GiB.
_MIB = 1 << 20


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

"""The errors of a conversion."""

import contextlib
from collections.abc import Iterator

from pipeline.console import exit_codes
from tfrecords_schema.errors import UserError


class UsageError(UserError):
    """The command line asks for something that cannot be; the message says what to change."""

    exit_status = exit_codes.USAGE


class RejectedInputError(UserError):
    """One input cannot be converted; the message says why and what to do. The others go on.

    What the message quotes of the input may not be valid Unicode; the message is.
    """

    def __init__(self, message: str):
        super().__init__(printable(message))


class MissingLabelError(RejectedInputError):
    """One input has no label where one should be; without it there is nothing wrong with it."""


class ChangedInputError(RejectedInputError):
    """An input is not, or no longer, what it was when it was listed or described."""


@contextlib.contextmanager
def fault_named(where: str) -> Iterator[None]:
    """Turns what is no `UserError`, and so a fault of the code, into one that says where it was.

    Raises:
      RejectedInputError: the file system refused what the block reads: that is the input's fault.
      RuntimeError: the block raised a fault, which is its cause.
    """
    try:
        yield
    except UserError:
        raise
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        raise RejectedInputError(
            f"cannot be read ({reason}); make it readable, or copy it again"
        ) from error
    except Exception as error:
        raise RuntimeError(printable(f"{where}: {type(error).__name__}: {error}")) from error


def printable(text: str) -> str:
    r"""Text that can be encoded: what cannot, as in names that are no UTF-8, becomes \udcff."""
    return text.encode("utf-8", "backslashreplace").decode()

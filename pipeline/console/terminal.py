"""What is written to a terminal and not to a file: colour, and lines that fit."""

import os
import shutil
import sys
from typing import TextIO

_CODES = {"red": "31", "green": "32", "yellow": "33", "bold": "1", "dim": "2"}
_CLEAR_LINE = "\r\x1b[K"


def is_terminal(stream: TextIO) -> bool:
    """Whether a stream is a terminal that can redraw a line."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def has_colour(stream: TextIO) -> bool:
    """Whether a stream is a terminal and nobody objects (https://no-color.org)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def paint(text: str, style: str, stream: TextIO) -> str:
    """The text in a style, such as `red` or `bold`, where the stream has colour."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if has_colour(stream) else text


def print_error(message: object) -> None:
    """Writes `error: message` to standard error."""
    print(f"{paint('error:', 'red', sys.stderr)} {message}", file=sys.stderr)


def redraw(line: str, stream: TextIO) -> None:
    """Puts a line in the place of the current one; it is cut, as a wrapped one would stay."""
    columns = shutil.get_terminal_size().columns
    stream.write(_CLEAR_LINE + line[: columns - 1])
    stream.flush()


def clear_line(stream: TextIO) -> None:
    """Empties the current line of a terminal."""
    if is_terminal(stream):
        stream.write(_CLEAR_LINE)
        stream.flush()

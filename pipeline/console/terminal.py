"""What is written to a terminal and not to a file: colour, and lines that fit.

Everything that a command says goes through `say`, for names of files, classes and arrays are in it,
and these may be anything.
"""

import os
import re
import shutil
import sys
from typing import TextIO

_CODES = {"red": "31", "green": "32", "yellow": "33", "bold": "1", "dim": "2"}
_CLEAR_LINE = "\r\x1b[K"
# What a terminal obeys instead of showing it: control characters (C0, DEL, C1), separators, and
# marks that turn the direction of a text, by which one name looks like another (Unicode TR 36).
_OBEYED = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def is_notebook(stream: TextIO) -> bool:
    """Whether a stream is shown below the cell of a Jupyter notebook."""
    return type(stream).__module__.startswith("ipykernel.")


def is_terminal(stream: TextIO) -> bool:
    """Whether a stream can redraw a line: a terminal, or a notebook."""
    return is_notebook(stream) or (stream.isatty() and os.environ.get("TERM") != "dumb")


def has_colour(stream: TextIO) -> bool:
    """Whether a stream is a terminal and nobody objects (https://no-color.org)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def paint(text: str, style: str, stream: TextIO) -> str:
    """The text in a style, such as `red` or `bold`, where the stream has colour."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if has_colour(stream) else text


def shown(text: str, stream: TextIO) -> str:
    r"""A text as a stream can show it: what it would obey, or cannot encode, becomes `\x1b` or so.

    Lines and tabs stay as they are.
    """
    text = _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def say(text: object, stream: TextIO | None = None, *, end: str = "\n") -> None:
    """Writes a text as `shown`, with an end, to a stream: standard output if none is given."""
    stream = stream or sys.stdout
    stream.write(shown(str(text), stream) + end)


def print_error(message: object) -> None:
    """Writes `error: message` to standard error."""
    sys.stderr.write(f"{paint('error:', 'red', sys.stderr)} ")
    say(message, sys.stderr)


def redraw(line: str, stream: TextIO) -> None:
    """Puts a line in the place of the current one; it is cut, as a wrapped one would stay."""
    columns = shutil.get_terminal_size().columns
    stream.write(_clearing(stream) + shown(line, stream)[: columns - 1])
    stream.flush()


def clear_line(stream: TextIO) -> None:
    """Empties the current line of a terminal."""
    if is_terminal(stream):
        stream.write(_clearing(stream))
        stream.flush()


def _clearing(stream: TextIO) -> str:
    """What empties a line; a notebook knows the way back to its beginning, and nothing more."""
    blank = " " * (shutil.get_terminal_size().columns - 1)
    return f"\r{blank}\r" if is_notebook(stream) else _CLEAR_LINE

"""What is written to a terminal and not to a file: colour, and lines that fit.

Everything that a command says goes through `say`, for names of files, classes and arrays are in it,
and these may be anything.
"""

import logging
import os
import re
import shutil
import sys
import warnings
from typing import Any, TextIO

from pipeline.console.texts import cut

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


def show_warnings() -> None:
    """From now on, what is warned of or logged is `shown`: libraries quote names as they are."""
    whole = warnings.formatwarning

    def escaped(*given: Any, **named: Any) -> str:
        return shown(whole(*given, **named), sys.stderr)

    warnings.formatwarning = escaped
    logging.setLogRecordFactory(_ShownRecord)


class _ShownRecord(logging.LogRecord):
    """What is logged, as standard error can show it."""

    def getMessage(self) -> str:  # noqa: N802
        return shown(super().getMessage(), sys.stderr)


def print_error(message: object) -> None:
    """Writes `error: message` to standard error."""
    sys.stderr.write(f"{paint('error:', 'red', sys.stderr)} ")
    say(cut(str(message)), sys.stderr)


def redraw(line: str, stream: TextIO) -> None:
    """Puts a line in the place of the current one; it is cut, as a wrapped one would stay."""
    columns = shutil.get_terminal_size().columns
    text = shown(line, stream)[: columns - 1]
    if is_notebook(stream):
        return _LINE_OF_CELL.show(text)
    stream.write(_CLEAR_LINE + text)
    stream.flush()


def clear_line(stream: TextIO) -> None:
    """Empties the current line of a terminal."""
    if is_notebook(stream):
        _LINE_OF_CELL.show("")
    elif is_terminal(stream):
        stream.write(_CLEAR_LINE)
        stream.flush()


class _LineOfCell:
    """The one line below a cell of a notebook that changes; of others all that was written stays.

    A page that is made of the notebook has what it was last.
    """

    def __init__(self) -> None:
        self._cell = -1
        self._handle: Any = None

    def show(self, text: str) -> None:
        """Puts a text there."""
        from IPython import display, get_ipython

        cell, data = get_ipython().execution_count, {"text/plain": text}
        if cell == self._cell:
            self._handle.update(data, raw=True)
        elif text:
            self._cell = cell
            self._handle = display.display(data, raw=True, display_id=True)


_LINE_OF_CELL = _LineOfCell()

"""Quantities and kinds of data in words, the same wherever they are shown."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # Help must not wait for TensorFlow.
    from tfrecords_schema import InputSpec, LabelSpec

WIDTH = 80  # Columns that a terminal has at least.
_MOST_LETTERS = 10_000  # Of a line: what a file says of itself may be any text.


def cut(text: str) -> str:
    """A text that is no longer than a few pages, with the number of letters that are left out."""
    rest = len(text) - _MOST_LETTERS
    return f"{text[:_MOST_LETTERS]} and {rest:,} more letters" if rest > 0 else text


def one_line(text: str) -> str:
    r"""A text with its line ends as `\n`: a name that holds some could pass for lines of ours."""
    return cut(text).replace("\n", r"\n")


def wrapped(line: str) -> str:
    """A line in as many as it takes, paths left whole; the others stand two columns further in."""
    line = one_line(line)
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.fill(
        line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False,
        replace_whitespace=False,
    )  # fmt: skip


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 record`, `2,000 records`; the plural only where it takes more than an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def listed(names: Sequence[str], most: int = 10) -> str:
    """Names, the first of many with the number of the others: `a, b and 998 more`."""
    rest = len(names) - most
    return ", ".join(map(one_line, names[:most])) + (f" and {rest:,} more" if rest > 0 else "")


def bytes_text(size: float) -> str:
    """A size in decimal units."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"


def duration_text(secs: float) -> str:
    """A duration in two units at most."""
    if secs < 60:
        return f"{secs:.3g} s"
    hours, minutes = divmod(round(secs / 60), 60)
    return f"{hours:,} h {minutes} min" if hours else f"{minutes} min"


def clock(secs: float | None) -> str:
    """The time that is left: `1:05`, or `2:00:09` from an hour on; `-` if not known."""
    if secs is None:
        return "-"
    minutes, seconds = divmod(max(0, round(secs)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def steps_text(steps: int, step_secs: float | None) -> str:
    """A number of steps and, where it is known, how long they take."""
    text = counted(steps, "step")
    return f"{text} ({duration_text(steps * step_secs)})" if step_secs else text


def input_text(spec: InputSpec) -> str:
    """What a recording is, as `signal float32 [time, 100, 6]`, and what stands beside it."""
    numbers = f", beside each {listed(spec.beside)}" if spec.beside else ""
    shape = ", ".join(["time", *map(str, spec.step_shape)])
    return f"{spec.kind} {spec.dtype} [{shape}]{numbers}"


def label_kind_text(spec: LabelSpec | None) -> str:
    """What is known of a recording, as `one of 7 classes per record`."""
    if spec is None:
        return "none"
    if spec.heads:
        return ", ".join(f"{head.name} {label_kind_text(head.label)}" for head in spec.heads)
    if spec.is_single:
        ordered = ", in order," if spec.kind == "ordinal" else ""
        return f"one of {len(spec.class_names)} classes{ordered} per {spec.per}"
    if spec.kind == "classes":
        return f"any of {len(spec.class_names)} classes per {spec.per}"
    shape = f" {list(spec.shape)}" if spec.shape else ""
    return f"{spec.dtype}{shape} value per {spec.per}"

"""Tables as files: CSV with every figure as it is, LaTeX with the text that a page shows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.console.tables import Table

# What spreadsheets take for the beginning of a formula, also in full width.
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_NO_VALUE = "--"
_ESCAPED = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        **{character: f"\\{character}" for character in "&%$#_{}"},
    }
)


def csv_text(table: Table) -> str:
    """All rows, RFC 4180: numbers with all their digits, nothing where there is nothing to say.

    A column of intervals, or of counts with shares, becomes one for each number. A text that a
    spreadsheet would run as a formula, and that is no number, has an apostrophe before it (OWASP,
    "CSV Injection").
    """
    columns = [
        _parts(name, form, [row[at] for row in table.rows])
        for at, (name, form) in enumerate(table.columns.items())
    ]
    names = [name for found in columns for name, _ in found]
    cells = [values for found in columns for _, values in found]
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(map(harmless, names))
    writer.writerows(map(harmless, row) for row in zip(*cells, strict=True))
    return buffer.getvalue()


def _parts(name: str, form: Any, cells: Sequence[Any]) -> list[tuple[str, list[Any]]]:
    """A column as columns of single values."""
    first = next((cell for cell in cells if isinstance(cell, (tuple, list))), None)
    if first is None:
        return [(name, [_value(cell, form) for cell in cells])]
    parts = getattr(first, "_fields", None) or ("from", "to")
    return [
        (f"{name}, {part}", [None if cell is None else _value(cell[at], form) for cell in cells])
        for at, part in enumerate(parts)
    ]


def _value(cell: Any, form: Any) -> Any:
    if isinstance(cell, np.generic):
        cell = cell.item()
    if cell is None or isinstance(cell, (int, float, str)):
        return cell
    return (form or str)(cell)


def harmless(cell: Any) -> Any:
    """A cell that no spreadsheet runs as a formula: see `csv_text`."""
    if not isinstance(cell, str) or not _FORMULA.match(cell) or _is_number(cell):
        return cell
    return f"'{cell}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()


def latex_text(table: Table) -> str:
    r"""All rows as a `tabular` of the booktabs package, to be read with `\input`."""
    is_name = [form is None for form in table.columns.values()]
    rows = [table.texts(row, _NO_VALUE) for row in table.rows]
    lines = [
        f"% {_one_line(table.title)}",
        f"\\begin{{tabular}}{{{''.join('l' if name else 'r' for name in is_name)}}}",
        "\\toprule",
        _latex_row([*table.columns], [True] * len(is_name)),
        "\\midrule",
        *(_latex_row(row, is_name) for row in rows),
        "\\bottomrule",
        "\\end{tabular}",
        *(f"% {_one_line(line)}" for line in (table.left_out(len(rows)), table.note) if line),
    ]
    return "\n".join(lines) + "\n"


def _latex_row(cells: Sequence[str], is_name: Sequence[bool]) -> str:
    texts = map(_latex, cells, is_name)
    return " & ".join(texts) + r" \\"


def _latex(cell: str, is_name: bool) -> str:
    """A cell: what LaTeX would read as a command is escaped, minus signs are those of figures."""
    text = _one_line(cell).translate(_ESCAPED)
    if not is_name:
        return re.sub(r"(?<![\w.-])-(?=\d)", "$-$", text)
    # After the end of a row an asterisk or a bracket would be taken for an argument of it.
    return f"{{}}{text}" if text[:1] in ("*", "[") else text


def _one_line(text: str) -> str:
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip()

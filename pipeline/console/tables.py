"""Tables as data: what they say is made once, and shown as text (here) and on pages (`table.html`).

Own code and not that of rich: that cuts figures like names where a line is too long, and takes
0.2 s to import.
"""

import dataclasses
import itertools
import operator
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline.console.texts import WIDTH, wrapped

COUNT = "{:,}".format
PERCENT = "{:.1%}".format
_GAP = 2
_LEAST_NAME = 8


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
      name: what stands above it.
      format: turns a cell, a figure, into text to the right; None for names, to the left.
      share: the part of a whole that a cell is, in [0, 1]; pages draw a bar of it.
    """

    name: str
    format: Callable[[Any], str] | None = None
    share: Callable[[Any], float] | None = None

    def text(self, cell: Any) -> str:
        """A cell as it is shown; `-` for None."""
        return "-" if cell is None else (self.format or str)(cell)


@dataclasses.dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
      title: heading on a page; as text the name of the first column must do.
      columns: the first one holds names, or is to be read as such.
      rows: a cell for each column.
      of: what the rows are, in the plural: to say how many are left out.
      note: what is to be said below it.
      most: rows that are shown as text; pages show three times as many.
      total: rows that there are, where not all were given.
      chosen: number of a row to point at.
      is_key: whether pictures draw what a row is about in the colour of its number.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    of: str = "rows"
    note: str = ""
    most: int = 20
    total: int = 0
    chosen: int | None = None
    is_key: bool = False

    def left_out(self, most: int) -> str:
        """How many rows are not among the first `most`; empty if all are."""
        number = max(self.total, len(self.rows)) - min(most, len(self.rows))
        return f"and {number:,} more {self.of}" if number else ""


def figures(names: Sequence[str], form: Callable[[Any], str]) -> list[Column]:
    """Columns of one form."""
    return [Column(name, form) for name in names]


def as_text(table: Table) -> str:
    """Lines of at most 80 columns, the names of the columns first; empty for a table without rows.

    Where they would be longer the widest column of names is cut, then last columns are left out.
    """
    if not table.rows:
        return ""
    columns = table.columns
    rows = [[column.name for column in columns]]
    rows += [list(map(Column.text, columns, row)) for row in table.rows[: table.most]]
    widths = [max(map(_width, cells)) for cells in zip(*rows, strict=True)]
    names = [number for number, column in enumerate(columns) if column.format is None] or [0]
    widest = max(names, key=lambda number: widths[number])
    excess = sum(widths) + _GAP * (len(widths) - 1) - WIDTH
    widths[widest] = min(widths[widest], max(widths[widest] - excess, _LEAST_NAME))
    fitting = sum(end - _GAP <= WIDTH for end in itertools.accumulate(w + _GAP for w in widths))
    lines = [
        (" " * _GAP).join(map(_padded, row[:fitting], widths, columns)).rstrip() for row in rows
    ]
    return "\n".join(filter(None, [*lines, table.left_out(table.most), wrapped(table.note)]))


def class_table(names: Sequence[str], counts: Mapping[str, Mapping[str, int]]) -> Table:
    """How often each class occurs.

    Args:
      names: of the classes, in the order of their index.
      counts: for each split the labels per class.
    """
    totals = {split: max(sum(found.values()), 1) for split, found in counts.items()}
    form, share = "{0[0]:,} ({0[1]:.1%})".format, operator.itemgetter(1)
    rows: list[list[Any]] = []
    for index, name in enumerate(names):
        found = {split: labels.get(name, 0) for split, labels in counts.items()}
        cells = [(count, count / totals[split]) for split, count in found.items()]
        rows.append([f"{index} = {name}", *cells])
    columns = [Column("labels per class"), *(Column(split, form, share) for split in counts)]
    return Table("Classes", columns, rows, of="classes", is_key=True)


def _padded(cell: str, width: int, column: Column) -> str:
    if _width(cell) > width:
        cell = _beginning(cell, width - 3) + "..."
    space = " " * (width - _width(cell))
    return f"{cell}{space}" if column.format is None else f"{space}{cell}"


def _beginning(text: str, width: int) -> str:
    ends = itertools.accumulate(map(_width, text))
    return text[: sum(end <= width for end in ends)]


def _width(text: str) -> int:
    """Columns of a terminal; those of Chinese, Japanese and Korean take two each."""
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "FW")
        for letter in text
    )

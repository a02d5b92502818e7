"""Tables as data: what they say is made once, and shown as text (here), on pages (`table.html`) and
as files beside those (`table_files.py`).

Rich only measures text. Its own tables cut figures like names where a line is too long.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.cells import cell_len, set_cell_size

from pipeline.console.texts import WIDTH, one_line, wrapped
from tfrecords_schema.names import UNLABELLED

if TYPE_CHECKING:
    from tfrecords_schema import LabelSpec, SplitEntry

COUNT = "{:,}".format
PERCENT = "{:.1%}".format
_GAP = 2
_LEAST_NAME = 8
_CUT = "..."


class Part(NamedTuple):
    """A cell that counts a part of a whole; pages draw a bar of its share, in [0, 1]."""

    number: int
    share: float


@dataclasses.dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
      title: heading on a page; as text the name of the first column must do.
      columns: name of each column to what turns a figure into text, which stands to the right; to
        None for names, which stand to the left.
      rows: a cell for each column; None where there is nothing to say.
      of: what the rows are, in the plural: to say how many are left out.
      note: what is to be said below it.
      most: rows that are shown as text; pages show three times as many.
      total: rows that there are, where not all were given.
      chosen: number of a row to point at.
      is_key: whether pictures draw what a row is about in the colour of its number.
      name: what its files are named after, where the title has figures in it.
    """

    title: str
    columns: Mapping[str, Callable[[Any], str] | None]
    rows: Sequence[Sequence[Any]]
    of: str = "rows"
    note: str = ""
    most: int = 20
    total: int = 0
    chosen: int | None = None
    is_key: bool = False
    name: str = ""

    def texts(self, row: Sequence[Any], missing: str = "-") -> list[str]:
        """The cells of a row as they are shown, with `missing` for None."""
        forms = (form or str for form in self.columns.values())
        pairs = zip(forms, row, strict=True)
        return [missing if cell is None else form(cell) for form, cell in pairs]

    def left_out(self, most: int) -> str:
        """How many rows are not among the first `most`; empty if all are."""
        number = max(self.total, len(self.rows)) - min(most, len(self.rows))
        return f"and {number:,} more {self.of}" if number else ""


def as_text(table: Table) -> str:
    """Lines of at most 80 columns, the names of the columns first; empty for a table without rows.

    Where they would be longer the widest column of names is cut, then last columns are left out.
    """
    if not table.rows:
        return ""
    is_name = [form is None for form in table.columns.values()]
    texts = [[*table.columns], *map(table.texts, table.rows[: table.most])]
    rows = [[*map(one_line, row)] for row in texts]
    widths = [max(map(cell_len, cells)) for cells in zip(*rows, strict=True)]
    widest = max(range(len(widths)), key=lambda column: widths[column] * is_name[column])
    excess = sum(widths) + _GAP * (len(widths) - 1) - WIDTH
    widths[widest] = min(widths[widest], max(widths[widest] - excess, _LEAST_NAME))
    fitting = sum(end <= WIDTH + _GAP for end in itertools.accumulate(w + _GAP for w in widths))
    lines = [
        (" " * _GAP).join(map(_fitted, row[:fitting], widths, is_name)).rstrip() for row in rows
    ]
    return "\n".join(filter(None, [*lines, table.left_out(table.most), wrapped(table.note)]))


def label_table(label: LabelSpec | None, splits: Mapping[str, SplitEntry]) -> Table:
    """How often each class of a dataset occurs in each split, and how often none is known."""
    from tfrecords_schema.labels import views  # Help must not wait for TensorFlow.

    tables = {}
    for head in views(label) if label else ():
        entries = {name: split.of_head(head) for name, split in splits.items()}
        counts = {name: entry.class_counts for name, entry in entries.items()}
        missing = {name: entry.missing_labels for name, entry in entries.items()}
        labels = None
        if head.label.kind != "class":
            if head.label.per == "sequence":
                continue  # How many there are is not kept.
            labels = {name: entry.labels(head.label.per) for name, entry in entries.items()}
        tables[head.name] = class_table(head.label.class_names, counts, missing, labels)
    if len(tables) < 2:
        return tables.get("") or class_table((), {name: {} for name in splits})
    rows = [
        [f"{name}: {cell}", *cells] for name, table in tables.items() for cell, *cells in table.rows
    ]
    return dataclasses.replace(next(iter(tables.values())), rows=rows, is_key=False)


def class_table(
    names: Sequence[str],
    counts: Mapping[str, Mapping[str, int]],
    missing: Mapping[str, int] | None = None,
    labels: Mapping[str, int] | None = None,
) -> Table:
    """How often each class occurs, and how often none is known.

    Args:
      names: of the classes, in the order of their index.
      counts: for each split the labels per class.
      missing: for each split the labels that are not known, of which the shares are not.
      labels: for each split all labels, where one is of any number of classes or of none.
    """
    counts = {split: found for split, found in counts.items() if split != UNLABELLED}
    unknown = {split: (missing or {}).get(split, 0) for split in counts}
    known = {
        split: (labels[split] - unknown[split]) if labels else sum(found.values())
        for split, found in counts.items()
    }
    rows: list[list[Any]] = []
    for index, name in enumerate(names):
        found = {split: labels.get(name, 0) for split, labels in counts.items()}
        parts = [Part(number, number / max(known[split], 1)) for split, number in found.items()]
        rows.append([f"{index} = {name}", *parts])
    if any(unknown.values()):
        every = {split: known[split] + unknown[split] for split in counts}
        parts = [Part(number, number / max(every[split], 1)) for split, number in unknown.items()]
        rows.append(["not known", *parts])
    form = "{0.number:,} ({0.share:.1%})".format
    columns = {"labels per class" if names else "labels": None, **dict.fromkeys(counts, form)}
    return Table("Classes", columns, rows, of="classes", is_key=True)


def _fitted(cell: str, width: int, is_name: bool) -> str:
    """A cell in so many columns of a terminal; Chinese letters, say, take two each."""
    if cell_len(cell) > width:
        cell = set_cell_size(cell, width - len(_CUT)) + _CUT
    return set_cell_size(cell, width) if is_name else " " * (width - cell_len(cell)) + cell

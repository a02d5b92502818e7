"""Any number of classes at once: rows of 0 and 1, or names, several in a cell or a list."""

from __future__ import annotations

import collections
import shlex
from collections.abc import Collection, Iterable, Mapping

from pipeline.sources.labels.fits import LabelFit
from pipeline.sources.labels.label import Label
from pipeline.sources.names import normal, require_class

MOST_GUESSED = 1_000
"""Columns of rows of 0 and 1 beyond which they are more likely something else."""
_FEW_STEPS = 32
_SEPARATORS = ";|,+"


def said(columns: int, per: str) -> str:
    """What is said of rows of 0 and 1 where nobody asked for classes."""
    return (
        f"the labels are rows of 0 and 1, taken for any number of {columns} classes at once; "
        f"--label_kind={per}_value takes them for {columns} values"
    )


def said_of_values(fits: Mapping[LabelFit, int], per: str) -> str:
    """What is said of values that in most recordings, and not in all, are rows of 0 and 1."""
    total, rows = sum(fits.values()), sum(count for fit, count in fits.items() if fit.ones)
    if not total < 2 * rows < 2 * total:
        return ""
    return (
        f"the labels of {rows} of {total} recordings are rows of 0 and 1, those of the others hold "
        f"more, so all are values; --label_kind={per}_classes rejects the others"
    )


def said_of_steps(fits: Iterable[LabelFit]) -> str:
    """What is said of 0 and 1 taken for one a step where every recording has as many, and few."""
    widths = {fit.ones if fit.record_label_shape == (fit.ones,) else 0 for fit in fits}
    if len(widths) > 1 or not 0 < max(widths) <= _FEW_STEPS:
        return ""
    return (
        f"every label is a row of {max(widths)} numbers, each 0 or 1, taken for one per step; "
        "--label_kind=record_classes takes it for any number of classes of a recording"
    )


def said_of_texts(classes: Iterable[int | str]) -> str:
    """What is said of classes that look as if they were several in a cell; empty of others."""
    texts = {one for one in classes if isinstance(one, str)}
    for separator in _SEPARATORS:
        parts = {one: names_in(one, separator) for one in texts if separator in one}
        known = {name for found in parts.values() for name in found}
        # A name that is alone elsewhere, or in two cells, is one of several here.
        seen = collections.Counter(name for found in parts.values() for name in found)
        if parts and any(name in texts or seen[name] > 1 for name in known):
            flag = f"--label_separator={shlex.quote(separator)}"
            such = max(parts, key=lambda one: (len(parts[one]), one))
            return f"class {such!r} may be several classes; if so, {flag} takes it for those"
    return ""


def names_in(text: str, separator: str) -> tuple[str, ...]:
    """The names in a cell, each once; none of one that holds separators alone."""
    parts = text.split(separator) if separator else [text]
    names = [part.strip() for part in parts] if separator else parts
    return tuple(sorted({require_class(normal(name)) for name in names if name}))


def of_names(label: Label, separator: str, *, is_list: bool, ignored: Collection[str]) -> Label:
    """A label of texts as one of names, any number of them.

    Args:
      label: of texts, which are cells.
      separator: between the names in a cell; empty where a cell is one name.
      is_list: whether all cells are those of one label.
      ignored: names that say that a cell is not known.

    Raises:
      RejectedInputError: one is no name.
    """
    counts: collections.Counter[str] = collections.Counter()
    missing = 0
    cells = label.counts or (1,) * len(label.classes)
    for text, count in zip(label.classes, cells, strict=True):
        names = names_in(str(text), separator)
        if any(name in ignored for name in names):
            missing += count
        else:
            counts.update(dict.fromkeys(names, count))
    if is_list:
        counts = collections.Counter(() if missing else [*counts])
    shape = () if is_list else label.shape
    found = tuple(sorted(counts))
    return Label(
        "names", "int8", shape, found, counts=tuple(counts[name] for name in found),
        missing=min(missing, 1) if is_list else missing,
    )  # fmt: skip

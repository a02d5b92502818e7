"""What an array of labels shows before its kind is known: gaps, whole numbers, one-hot rows."""

from typing import NamedTuple

import numpy as np

_MOST_COLUMNS = 10_000


class Looks(NamedTuple):
    """What is seen in one label; a row is an entry along its first axis, or all of it.

    Attributes:
      rows: how many.
      missing: those that hold NaN.
      is_whole: whether every number is a whole one; NaN is none.
      columns: how often the 1 is in each column, where along the last axis, of two or more, all is
        0 but for one 1 (or all is NaN); else empty.
      ones: how often a 1 is in each column, where along the last axis, of two or more, all is 0 or
        1, or -1 or NaN for what is not known; else empty.
      unsure: entries along the last axis of which something is not known, where there are `ones`.
      known: numbers that are 0 or 1, where there are `ones`.
    """

    rows: int = 0
    missing: int = 0
    is_whole: bool = False
    columns: tuple[int, ...] = ()
    ones: tuple[int, ...] = ()
    unsure: int = 0
    known: int = 0


def looks_of(label: np.ndarray) -> Looks:
    """Looks at an array of numbers."""
    if not label.size:
        return Looks()
    if label.ndim == 2 and len(label) == 1:  # A row is taken for a column elsewhere.
        rows = label.reshape(-1, 1)
    else:
        rows = label.reshape(len(label), -1) if label.ndim else label.reshape(1, 1)
    missing = _is_nan(rows).any(1)
    known = rows[~missing]
    is_whole = bool((np.isfinite(known) & (known == np.rint(known))).all())
    columns = _one_hot_columns(label) if is_whole else ()
    found = Looks(len(rows), int(missing.sum()), is_whole, columns)
    return _with_ones(found, label)


def _with_ones(found: Looks, label: np.ndarray) -> Looks:
    width = label.shape[-1] if label.ndim else 0
    if not 2 <= width <= _MOST_COLUMNS:
        return found
    rows = label.reshape(-1, width)
    unknown = _is_nan(rows) | (rows == -1)
    if not ((rows == 0) | (rows == 1) | unknown).all():
        return found
    ones = tuple((rows == 1).sum(0).tolist())
    known = unknown.size - int(unknown.sum())
    return found._replace(ones=ones, unsure=int(unknown.any(1).sum()), known=known)


def _one_hot_columns(label: np.ndarray) -> tuple[int, ...]:
    width = label.shape[-1] if label.ndim else 0
    if not 2 <= width <= _MOST_COLUMNS:
        return ()
    rows = label.reshape(-1, width)
    rows = rows[~_is_nan(rows).all(1)]
    is_one_hot = ((rows == 0) | (rows == 1)).all() and (np.count_nonzero(rows, 1) == 1).all()
    return tuple(np.count_nonzero(rows, 0).tolist()) if len(rows) and is_one_hot else ()


def _is_nan(values: np.ndarray) -> np.ndarray:
    return np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)

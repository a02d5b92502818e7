"""Classes as rows of 0 with a single 1: how they are told from values, and what becomes of them."""

import collections
import operator
from collections.abc import Callable, Mapping

import numpy as np

from pipeline.console.errors import ChangedInputError, UsageError
from pipeline.sources.labels.fits import LabelFit, has_length, label_shape
from pipeline.sources.names import normal
from tfrecords_schema.labels import MISSING_CLASS


def find(
    fits: Mapping[LabelFit, int],
    label_kind: str,
    columns_of: Callable[[LabelFit], int] = operator.attrgetter("columns"),
) -> tuple[str, int]:
    """What has such a row, and how many columns it has; `("", 0)` where labels are something else.

    Most must be such rows; where nobody asked for classes, all that have as many columns.

    Args:
      fits: number of records of each fit.
      label_kind: `--label_kind`.
      columns_of: columns of such rows; 0 of a label that has others.
    """
    if label_kind.endswith("_value"):
        return "", 0
    named = label_kind.partition("_")[0]
    kinds = ("step", "sample", "record") if label_kind == "auto" else (named,)
    for per in kinds:
        rows: collections.Counter[int] = collections.Counter()
        for fit, count in fits.items():
            rows[columns_of(fit) * (_width(fit, per) == columns_of(fit))] += count
        width = max(rows, key=lambda columns: (rows[columns], columns))
        others = [fit for fit in fits if _width(fit, per) == width != columns_of(fit)]
        if width and 2 * rows[width] > sum(fits.values()) and (label_kind != "auto" or not others):
            return per, width
    return "", 0


def _width(fit: LabelFit, per: str) -> int:
    """Columns of a label with one axis; 0 if it has another number of axes."""
    is_of_time = fit.is_per_step or fit.is_per_sample
    fits_it = not is_of_time if per == "record" else has_length(fit, per)
    shape = label_shape(fit, per) if fits_it else ()
    return shape[0] if len(shape) == 1 else 0


def names_of(columns: int, class_names: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the columns, their numbers if none are given.

    Raises:
      UsageError: there are not as many names as columns.
    """
    if class_names and len(class_names) != columns:
        raise UsageError(
            f"--class_names has {len(class_names)} names, the labels are rows of {columns} "
            "columns; name each of them"
        )
    return tuple(map(normal, class_names)) or tuple(map(str, range(columns)))


def said(columns: int, per: str) -> str:
    """What is said of them where nobody asked for classes."""
    return (
        f"the labels are rows of 0 with a single 1 (one-hot), taken for {columns} classes; "
        f"--label_kind={per}_value takes them for {columns} values"
    )


def classes_of(label: np.ndarray, columns: int) -> np.ndarray:
    """The column of the 1 in each row, -1 in a row of NaN: `[rows]` int64.

    Raises:
      ChangedInputError: there are other rows.
    """
    rows = label.reshape(-1, columns)
    known = rows == rows if rows.dtype.kind == "f" else np.ones(rows.shape, bool)
    is_known = known.any(1)
    if (np.count_nonzero(rows[is_known], 1) != 1).any():
        raise ChangedInputError("its label is not what it was when it was described")
    return np.where(is_known, rows.argmax(1), MISSING_CLASS).astype(np.int64)

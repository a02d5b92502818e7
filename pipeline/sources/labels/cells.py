"""Labels of any number of classes as records hold them."""

import numpy as np

from pipeline.console.errors import ChangedInputError
from pipeline.sources.label_kinds import LabelPlan
from pipeline.sources.labels.several import names_in
from pipeline.sources.names import class_of
from tfrecords_schema.labels import MISSING_CLASS


def cells_of(label: np.ndarray, plan: LabelPlan) -> np.ndarray:
    """Labels as they are stored: `[..., classes]` int8, 1, 0, or -1 where that is not known.

    Args:
      label: as stored in the source: `[..., classes]` numbers, or texts `[...]`; of one label for
        the whole record any number of texts.
      plan: what becomes of it.

    Raises:
      ChangedInputError: there are other numbers.
      LookupError: if a name is none of the plan's.
    """
    classes = len(plan.spec.class_names)
    if plan.columns:
        rows = np.where(label == label, label, MISSING_CLASS)  # NaN is none of itself.
        if not np.isin(rows, (0, 1, MISSING_CLASS)).all():
            raise ChangedInputError("its label is not what it was when it was described")
        return rows.astype(np.int8).reshape(-1, classes)
    values, places = np.unique(np.asarray(label).reshape(-1), return_inverse=True)
    found = np.zeros((len(values), classes), np.int8)
    for row, value in zip(found, values.tolist(), strict=True):
        at = [plan.indices[name] for name in names_in(str(class_of(value)), plan.separator)]
        row[at] = 1
        if MISSING_CLASS in at:
            row[:] = MISSING_CLASS
    rows = found[places.reshape(-1)]
    if plan.spec.per != "record":
        return rows
    if (rows < 0).any():
        return np.full((1, classes), MISSING_CLASS, np.int8)
    return rows.max(0, initial=0, keepdims=True).astype(np.int8)

"""How one label relates to the signal that it is of."""

from typing import NamedTuple

from pipeline.sources.labels.label import Label
from pipeline.sources.source import Description

_LITTLE = 2


class LabelFit(NamedTuple):
    """How one label relates to its signal; equal for all labels of a well-formed set.

    Attributes:
      form: see `Label`.
      dtype: dtype in which it will be stored.
      is_per_step: whether its first axis is as long as the signal has steps.
      step_label_shape: shape of one label, if it is per step or per sample.
      record_label_shape: shape of one label, if it is per record.
      is_per_sample: whether its first axis is as long as a continuous signal has samples.
      is_whole: whether all of it that is known are whole numbers.
      columns: columns of one-hot rows, if that is what it is; else 0.
      has_missing: whether some of it is not known.
      ones: columns of rows of 0 and 1, if that is what it is; else 0.
      is_unsure: whether something of those is not known.
      off: by how much its first axis is longer than the signal has steps, if by little; else 0.
    """

    form: str
    dtype: str
    is_per_step: bool
    step_label_shape: tuple[int, ...]
    record_label_shape: tuple[int, ...]
    is_per_sample: bool = False
    is_whole: bool = False
    columns: int = 0
    has_missing: bool = False
    ones: int = 0
    is_unsure: bool = False
    off: int = 0


NOTHING_KNOWN = LabelFit("nothing", "", False, (), ())
"""The fit of every label of which nothing is known: it says nothing of the set's."""


def fits_of(description: Description) -> tuple[LabelFit | None, ...]:
    """The fit of each of a record's labels."""
    return tuple(fit_of(label, description) for label in description.labels)


def fit_of(label: Label | None, description: Description) -> LabelFit | None:
    """Relates a record's label to its number of steps; None without a label."""
    if label is None:
        return None
    if label.is_missing:
        return NOTHING_KNOWN
    lengths = [description.steps, *([description.samples] if description.samples else [])]
    as_column = any(is_row(label.shape, length) for length in lengths)
    shape = label.shape[1:] if as_column else label.shape
    off = shape[0] - description.steps if shape else 0
    return LabelFit(
        label.form,
        label.dtype,
        shape[:1] == (description.steps,),
        _without_last_one(shape[1:]),
        _record_shape(label.shape),
        bool(description.samples) and shape[:1] == (description.samples,),
        label.looks.is_whole,
        len(label.looks.columns),
        label.unknown > 0,
        len(label.looks.ones),
        label.looks.unsure > 0,
        off if abs(off) <= _LITTLE else 0,
    )


def is_row(shape: tuple[int, ...], length: int) -> bool:
    """Whether a label is a row, `[1, length]`, of labels for so many steps: then it is a column."""
    return shape == (1, length) and length > 1


def label_shape(fit: LabelFit, per: str) -> tuple[int, ...]:
    """Shape of one label of what has one."""
    return fit.record_label_shape if per == "record" else fit.step_label_shape


def has_length(fit: LabelFit, per: str) -> bool:
    """Whether it is as long as what has a label."""
    return {"step": fit.is_per_step, "sample": fit.is_per_sample}.get(per, True)


def _record_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    return () if shape in ((1,), (1, 1)) else shape


def _without_last_one(shape: tuple[int, ...]) -> tuple[int, ...]:
    return () if shape == (1,) else shape

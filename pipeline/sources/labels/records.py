"""A record's label beside the set's: whether it fits, and what the record holds of it."""

import difflib
import functools
from typing import Any, cast

import numpy as np

from pipeline.console.errors import RejectedInputError
from pipeline.sources.label_kinds import LabelPlan
from pipeline.sources.labels import one_hot
from pipeline.sources.labels.cells import cells_of
from pipeline.sources.labels.fits import LabelFit, fit_of, is_row, label_shape
from pipeline.sources.labels.label import Label
from pipeline.sources.names import class_of
from pipeline.sources.narrowing import narrowed
from pipeline.sources.source import Description
from tfrecords_schema.labels import MISSING_CLASS


def misfit(label: Label, description: Description, plan: LabelPlan) -> str:
    """Why a label of a record does not fit the set's; empty if it does."""
    if plan.columns and label.form != "text":
        return _shape_misfit(description, label, plan) or _row_misfit(label, plan)
    if label.form != plan.form:
        return (
            f"the label's form is {label.form}, most of the set's are {plan.form}; "
            f"{_one_form(label, plan)}"
        )
    if plan.spec.kind != "value":
        return _shape_misfit(description, label, plan) or _unknown_class(label, plan)
    # Means are float32, whatever they are of; nothing else is converted.
    if label.dtype != plan.dtype and not (plan.windows and plan.windows.reduction == "mean"):
        return f"label dtype {label.dtype}, most of the set's are {plan.dtype}; store one dtype"
    return _shape_misfit(description, label, plan)


def _one_form(label: Label, plan: LabelPlan) -> str:
    """What to do about numbers of which some are floats."""
    per, is_number = plan.spec.per, {label.form, plan.form} == {"integer", "value"}
    as_classes = is_number and plan.form == "integer" and label.looks.is_whole
    as_values = is_number and label.is_loose
    cures = [f"--label_kind={per}_class, as all are whole numbers"] * as_classes
    cures += [f"--label_kind={per}_value"] * as_values
    return f"use {' or '.join(cures)}" if cures else "store one form"


def _row_misfit(label: Label, plan: LabelPlan) -> str:
    per = plan.spec.per
    if plan.spec.kind == "classes":
        if len(label.looks.ones) == plan.columns:
            return ""
        return (
            "its rows hold more than 0, 1, and -1 or NaN where nothing is known, most of the set's "
            f"do not; repair it, or take all for values with --label_kind={per}_value"
        )
    if len(label.looks.columns) == plan.columns:
        return ""
    return (
        "its rows are not all 0 with a single 1, most of the set's are; repair it, or take all for "
        f"any number of classes with --label_kind={per}_classes, or for values with {per}_value"
    )


def convert_label(label: np.ndarray, plan: LabelPlan, length: int = 0) -> np.ndarray:
    """Converts a label as stored in the source to what the record holds.

    Args:
      label: as stored.
      plan: what becomes of it.
      length: steps of the record, or samples of a signal whose labels are of samples.

    Returns:
      Class indices int64, any number of classes as in `cells_of`, or values of the plan's dtype, in
      the shape of `plan.spec`; what is not known is -1, or NaN.

    Raises:
      RejectedInputError: if a value is not finite, or too large.
      LookupError: if a class is none of the plan's.
    """
    spec = plan.spec
    label = label[0] if spec.per == "step" and is_row(label.shape, length) else label
    if spec.kind == "classes":
        label = cells_of(label, plan)
    elif plan.columns:
        label = one_hot.classes_of(label, plan.columns)
    if plan.windows:
        known = _is_known(label, plan) if spec.has_missing or spec.kind == "classes" else None
        label = plan.windows.reduce(label, known)
    time = () if spec.per == "record" else (len(label),)
    if spec.kind == "class":
        return _class_indices(label, plan).reshape(time)
    if spec.kind == "classes":
        return label.reshape(time + spec.shape)
    values = narrowed(label, spec.dtype, "the label").reshape(time + spec.shape)
    is_bad = np.isinf(values) if spec.has_missing else ~np.isfinite(values)
    if is_bad.any():
        raise RejectedInputError("the label holds NaN or infinity; repair or remove the recording")
    return values


def _is_known(label: np.ndarray, plan: LabelPlan) -> np.ndarray:
    """`[samples]` bool of labels of samples, `[samples, classes]` of any number of classes."""
    if plan.spec.kind == "classes":
        return label >= 0
    if plan.spec.kind == "class":
        return _class_indices(label, plan) >= 0
    return ~np.isnan(label.reshape(len(label), -1)).any(1)


def _shape_misfit(description: Description, label: Label, plan: LabelPlan) -> str:
    fit, per, spec = fit_of(label, description), plan.spec.per, plan.spec
    assert fit is not None
    if per == "sequence" and not label.shape:
        return "the label is a single number, expected [time, ...]; repair it, or name --label_kind"
    other = _other_kind(fit, plan)
    if plan.windows and not fit.is_per_sample:
        return (
            f"the label's shape is {list(label.shape)}, expected one label for each of the "
            f"signal's {description.samples} samples; repair it, or name {other}"
        )
    if per == "step" and not plan.windows and not fit.is_per_step:
        if not label.shape:
            return (
                "the label is a single one, expected one for each of the signal's "
                f"{description.steps} steps; repair it, or name {other}"
            )
        than = "longer" if label.shape[0] > description.steps else "shorter"
        return (
            f"the label has {label.shape[0]} steps, {than} than the signal with "
            f"{description.steps}; repair it, check the window flags and --tail, or name {other}"
        )
    found = label_shape(fit, per)
    of_classes = (plan.columns,) if plan.columns else ()
    expected = spec.shape if spec.kind == "value" else of_classes
    if found != expected:
        is_row = len(label.shape) == 2 and label.shape[0] == 1
        is_binary = not expected and label.looks.ones
        rows = f" ({per}_classes: any number of classes, as rows of 0 and 1)" * bool(is_binary)
        column = f" (a row: as {list(label.shape[1:])} it is one per step)" if is_row else ""
        of_one = f", that is {list(found)} per {per}" if found != label.shape else ""
        return (
            f"the label's shape is {list(label.shape)}{of_one}, expected "
            f"{list(expected) or 'a single one'} per {per}; repair it{column}, or name "
            f"{other}{rows}"
        )
    return ""


def _other_kind(fit: LabelFit, plan: LabelPlan) -> str:
    """The `--label_kind` that a label fits which does not fit the set's, as far as is known."""
    of_samples = plan.windows is not None
    if fit.is_per_step and (plan.spec.per != "step" or of_samples):
        return f"--label_kind=step_{plan.spec.kind}, as it is as long as the signal"
    if fit.is_per_sample and not of_samples:
        return f"--label_kind=sample_{plan.spec.kind}, as it has the signal's samples"
    return "another --label_kind"


def _unknown_class(label: Label, plan: LabelPlan) -> str:
    unknown = sorted(
        value for value in cast(tuple[Any, ...], label.classes) if value not in plan.indices
    )
    if not unknown:
        return ""
    if isinstance(unknown[0], int) and plan.classes == tuple(range(len(plan.classes))):
        return (
            f"unknown class {unknown[0]}: numbers are places in --class_names, from 0 on, which "
            f"has {', '.join(plan.spec.class_names[:10])}; name every number, or repair the label"
        )
    near = _nearest_name(str(unknown[0]), plan.spec.class_names)
    hint = f", did you mean {near!r}?" if near else ""
    return (
        f"unknown class {unknown[0]!r}{hint} (--class_names has "
        f"{', '.join(plan.spec.class_names[:10])}); add it, or repair the label"
    )


@functools.lru_cache(maxsize=1024)  # Thousands of names take longer than a record.
def _nearest_name(name: str, names: tuple[str, ...]) -> str:
    return next(iter(difflib.get_close_matches(name, names, n=1)), "")


def _class_indices(label: np.ndarray, plan: LabelPlan) -> np.ndarray:
    if plan.columns:
        return label
    if label.dtype.kind == "f":  # Whole numbers, or NaN.
        is_known = np.isfinite(label).reshape(-1)
        found = np.full(label.size, MISSING_CLASS, np.int64)
        found[is_known] = _class_indices(label.reshape(-1)[is_known].astype(np.int64), plan)
        return found
    values, places = np.unique(label, return_inverse=True)
    try:
        found = np.array([plan.indices[class_of(value)] for value in values.tolist()], np.int64)
        return found[places.reshape(-1)]
    except KeyError as error:
        known = ", ".join(map(repr, plan.classes[:10]))
        raise LookupError(
            f"the class {error.args[0]!r} was read, but describe listed only {known}"
        ) from error

"""What the labels of a set are: per step or per record, classes or values.

One record can be ambiguous (a vector of 7 numbers beside 7 steps), a set rarely is: the kind is
the one that most records fit, and `why` says so.
"""

import collections
import dataclasses
import difflib
import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

import numpy as np

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.sources.names import class_of, normal
from pipeline.sources.narrowing import narrowed
from pipeline.sources.source import Description, Label
from pipeline.sources.window_labels import WindowLabels
from tfrecords_schema.schema import LabelPer, LabelSpec

MAX_CLASSES = 10_000
_FEW_CLASSES = 20


class LabelFit(NamedTuple):
    """How one label relates to its signal; equal for all labels of a well-formed set.

    Attributes:
      form: `integer`, `text` (classes) or `value`.
      dtype: dtype in which it will be stored.
      is_per_step: whether its first axis is as long as the signal has steps.
      step_label_shape: shape of one label, if it is per step or per sample.
      record_label_shape: shape of one label, if it is per record.
      is_per_sample: whether its first axis is as long as a continuous signal has samples.
    """

    form: str
    dtype: str
    is_per_step: bool
    step_label_shape: tuple[int, ...]
    record_label_shape: tuple[int, ...]
    is_per_sample: bool = False


@dataclasses.dataclass(frozen=True)
class LabelPlan:
    """How labels are converted.

    Attributes:
      spec: what is stored.
      form: form of the source's labels.
      classes: the source's classes in the order of their index; empty for values.
      why: how the kind was found, for people.
      windows: what makes labels of samples into labels of steps; None if they are of steps.
      guess: what was inferred and might be meant otherwise; empty if it is clear.
    """

    spec: LabelSpec
    form: str
    classes: tuple[int, ...] | tuple[str, ...]
    why: str
    windows: WindowLabels | None = None
    guess: str = ""

    @functools.cached_property
    def indices(self) -> dict[int | str, int]:
        """The index of each of the source's classes; made once, not for every record."""
        classes: tuple[int | str, ...] = self.classes
        return {value: number for number, value in enumerate(classes)}


def fit_of(description: Description) -> LabelFit | None:
    """Relates a record's label to its number of steps; None without a label."""
    label = description.label
    if label is None:
        return None
    lengths = [description.steps, *([description.samples] if description.samples else [])]
    is_row = any(_is_row(label.shape, length) for length in lengths)
    shape = label.shape[1:] if is_row else label.shape
    return LabelFit(
        label.form,
        label.dtype,
        shape[:1] == (description.steps,),
        _without_last_one(shape[1:]),
        _record_shape(label.shape),
        bool(description.samples) and shape[:1] == (description.samples,),
    )


def _is_row(shape: tuple[int, ...], length: int) -> bool:
    """Whether a label is a row, `[1, length]`, of labels for so many steps: then it is a column."""
    return shape == (1, length) and length > 1


def plan_labels(
    fits: Mapping[LabelFit, int],
    classes: Mapping[LabelFit, Iterable[int | str]],
    *,
    kind: str,
    class_names: tuple[str, ...],
    windows: WindowLabels | None = None,
) -> LabelPlan:
    """Decides what the labels of a set are.

    Args:
      fits: number of records of each fit.
      classes: distinct classes of the records of each fit.
      kind: `--label_kind`.
      class_names: `--class_names`, empty if not given.
      windows: how continuous signals were cut; None if they were not.

    Raises:
      UsageError: if the labels fit no kind, or not the named one.
    """
    form = _commonest({fit: fit.form for fit in fits}, fits)
    of_form = {fit: count for fit, count in fits.items() if fit.form == form}
    found, why, guess = _infer(of_form, form) if kind == "auto" else (kind, "--label_kind", "")
    per, label_kind = found.split("_")
    if label_kind == "class" and form == "value":
        raise UsageError(
            f"--label_kind={kind}: the labels are floats, classes are integers or text; store "
            f"integers, or use --label_kind={per}_value"
        )
    if label_kind == "value" and form == "text":
        raise UsageError(
            f"--label_kind={kind}: the labels are text, values are numbers; store numbers, or use "
            f"--label_kind={per}_class"
        )
    windows = windows.of_kind(label_kind) if windows and per == "sample" else None
    why = f"{why}; {windows.why}" if windows else why
    if label_kind == "value":
        return LabelPlan(_value_spec(of_form, per, windows), form, (), why, windows, guess)
    # A record that will be rejected adds no class.
    kept = [fit for fit in of_form if _has_label_shape(fit, per, ())]
    found_classes = {value for fit in kept for value in classes[fit]}
    ordered, names = order_classes(found_classes, form, class_names)
    if kind == "auto" and (form, per) == ("integer", "record"):
        guess = guess or _guess_of_numbers(len(found_classes), sum(of_form.values()))
    spec = LabelSpec(_stored_per(per), "class", class_names=names)
    return LabelPlan(spec, form, ordered, why, windows, guess)


def _guess_of_numbers(classes: int, records: int) -> str:
    """What is said of whole numbers that are many for classes."""
    if classes <= _FEW_CLASSES or 2 * classes <= records:
        return ""
    return (
        f"whole numbers taken for {classes} classes, in {records} recordings; "
        "--label_kind=record_value makes them values"
    )


def _value_spec(fits: Mapping[LabelFit, int], per: str, windows: WindowLabels | None) -> LabelSpec:
    dtype = _commonest({fit: fit.dtype for fit in fits}, fits)
    if windows and windows.reduction == "mean":
        dtype = "float32"
    shapes = {fit: _label_shape(fit, per) for fit in fits if _has_length(fit, per)}
    shape = _commonest(shapes or {fit: fit.step_label_shape for fit in fits}, fits)
    return LabelSpec(_stored_per(per), "value", dtype, shape)


def _stored_per(per: str) -> LabelPer:
    return cast(LabelPer, "step" if per == "sample" else per)


def order_classes(
    classes: Iterable[int | str], form: str, class_names: tuple[str, ...]
) -> tuple[Any, tuple[str, ...]]:
    """Orders the source's classes by their index.

    Returns:
      The source's classes, and their names. Integers are sorted by value; integers with names
      that are not numbers are positions in `class_names`.

    Raises:
      UsageError: if there are more classes than 10,000.
    """
    found = sorted(set(cast(Iterable[Any], classes)))
    if len(found) > MAX_CLASSES:
        raise UsageError(
            f"the labels have more than {MAX_CLASSES} distinct values, too many for classes; store "
            "values as floats, or name a --label_kind that ends in _value"
        )
    if not class_names:
        return tuple(found), tuple(str(value) for value in found)
    class_names = tuple(map(normal, class_names))
    if form == "text":
        return class_names, class_names
    numeric = all(re.fullmatch(r"-?\d+", name) for name in class_names)
    ordered = tuple(map(int, class_names)) if numeric else tuple(range(len(class_names)))
    return ordered, class_names


def misfit(description: Description, plan: LabelPlan) -> str:
    """Why a record's label does not fit the set's; empty if it does."""
    label = description.label
    assert label is not None
    if label.form != plan.form:
        is_whole = label.is_loose and {label.form, plan.form} == {"integer", "value"}
        cure = f"use --label_kind={plan.spec.per}_value" if is_whole else "store one form"
        return f"the label's form is {label.form}, most of the set's are {plan.form}; {cure}"
    if plan.spec.kind == "class":
        return _shape_misfit(description, label, plan) or _unknown_class(label, plan)
    # Means are float32, whatever they are of; nothing else is converted.
    if label.dtype != plan.spec.dtype and not (plan.windows and plan.windows.reduction == "mean"):
        return (
            f"label dtype {label.dtype}, most of the set's are {plan.spec.dtype}; store one dtype"
        )
    return _shape_misfit(description, label, plan)


def convert_label(label: np.ndarray, plan: LabelPlan, length: int = 0) -> np.ndarray:
    """Converts a label as stored in the source to what the record holds.

    Args:
      label: as stored.
      plan: what becomes of it.
      length: steps of the record, or samples of a signal whose labels are of samples.

    Returns:
      Class indices int64, or finite values of the plan's dtype, in the shape of `plan.spec`.

    Raises:
      RejectedInputError: if a value is not finite, or too large.
      LookupError: if a class is none of the plan's.
    """
    spec = plan.spec
    label = label[0] if spec.per == "step" and _is_row(label.shape, length) else label
    label = plan.windows.reduce(label) if plan.windows else label
    time = () if spec.per == "record" else (len(label),)
    if spec.kind == "class":
        return _class_indices(label, plan).reshape(time)
    values = narrowed(label, spec.dtype, "the label").reshape(time + spec.shape)
    if not np.isfinite(values).all():
        raise RejectedInputError("the label holds NaN or infinity; repair or remove the recording")
    return values


def _infer(fits: Mapping[LabelFit, int], form: str) -> tuple[str, str, str]:
    """The kind, how it was found, and what is said if it might be another."""
    total = sum(fits.values())
    per_step = sum(count for fit, count in fits.items() if fit.is_per_step)
    kind = "value" if form == "value" else "class"
    commonest = _commonest({fit: fit.record_label_shape for fit in fits}, fits)
    shape = () if kind == "class" else commonest  # A class is a single number or text.
    per_record = sum(count for fit, count in fits.items() if fit.record_label_shape == shape)
    per_sample = sum(count for fit, count in fits.items() if fit.is_per_sample)
    tie = (
        f"labels of shape {list(shape)} taken as one per step, and not as one per record, which "
        f"fits as well; --label_kind=record_{kind} says otherwise"
    )
    if per_sample > max(per_step, per_record) or (per_sample == per_record > per_step and shape):
        why = f"in {per_sample} of {total} records it has the signal's samples"
        return f"sample_{kind}", why, tie if per_sample == per_record else ""
    if per_step > per_record or (per_step == per_record and shape):
        why = f"in {per_step} of {total} records it is as long as the signal"
        return f"step_{kind}", why, tie if per_step == per_record else ""
    if per_record * 2 > total:
        why = f"in {per_record} of {total} records its shape is {list(shape)}"
        return f"record_{kind}", why, ""
    numbers = "record_value: numbers that are no classes; " if form == "integer" else ""
    raise UsageError(
        "the labels are neither one per step nor one per record (commonest shape "
        f"{list(commonest)}, as long as the signal in {per_step} of {total}); name --label_kind "
        f"({numbers}sequence_{kind}: a time axis of its own), or, of continuous signals, check the "
        "window flags and --time_axis"
    )


def _shape_misfit(description: Description, label: Label, plan: LabelPlan) -> str:
    fit, per, spec = fit_of(description), plan.spec.per, plan.spec
    assert fit is not None
    if per == "sequence" and not label.shape:
        return "the label is a single number, expected [time, ...]; repair it, or name --label_kind"
    if plan.windows and not fit.is_per_sample:
        return (
            f"the label's shape is {list(label.shape)}, expected one label for each of the "
            f"signal's {description.samples} samples; repair it, or name --label_kind"
        )
    if per == "step" and not plan.windows and not fit.is_per_step:
        length = label.shape[0] if label.shape else 1
        than = "longer" if length > description.steps else "shorter"
        return (
            f"the label has {length} steps, {than} than the signal with {description.steps}; "
            "repair it, check the window flags and --tail, or name --label_kind"
        )
    found = _label_shape(fit, per)
    if found != spec.shape:
        is_row = len(label.shape) == 2 and label.shape[0] == 1
        column = f" (a row: as {list(label.shape[1:])} it is one per step)" if is_row else ""
        return (
            f"the label's shape is {list(label.shape)}, that is {list(found)} per {per}, expected "
            f"{list(spec.shape)}; repair it{column}, or name --label_kind"
        )
    return ""


def _unknown_class(label: Label, plan: LabelPlan) -> str:
    unknown = sorted(
        value for value in cast(tuple[Any, ...], label.classes) if value not in plan.indices
    )
    if not unknown:
        return ""
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
    values, places = np.unique(label, return_inverse=True)
    try:
        found = np.array([plan.indices[class_of(value)] for value in values.tolist()], np.int64)
        return found[places.reshape(-1)]
    except KeyError as error:
        known = ", ".join(map(repr, plan.classes[:10]))
        raise LookupError(
            f"the class {error.args[0]!r} was read, but describe listed only {known}"
        ) from error


def _label_shape(fit: LabelFit, per: str) -> tuple[int, ...]:
    return fit.record_label_shape if per == "record" else fit.step_label_shape


def _has_label_shape(fit: LabelFit, per: str, shape: tuple[int, ...]) -> bool:
    return _label_shape(fit, per) == shape and _has_length(fit, per)


def _has_length(fit: LabelFit, per: str) -> bool:
    return {"step": fit.is_per_step, "sample": fit.is_per_sample}.get(per, True)


def _record_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    return () if shape in ((1,), (1, 1)) else shape


def _without_last_one(shape: tuple[int, ...]) -> tuple[int, ...]:
    return () if shape == (1,) else shape


def _commonest(values: Mapping[LabelFit, Any], counts: Mapping[LabelFit, int]) -> Any:
    total: collections.Counter[Any] = collections.Counter()
    for fit, value in values.items():
        total[value] += counts[fit]
    return min(total, key=lambda value: (-total[value], str(value)))

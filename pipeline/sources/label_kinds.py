"""What the labels of a set are: per step or per record, classes or values.

One record can be ambiguous (a vector of 7 numbers beside 7 steps), a set rarely is: the kind is
the one that most records fit, and `why` says so.
"""

import collections
import dataclasses
import functools
import operator
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from pipeline.console.errors import UsageError
from pipeline.sources.labels import gaps, one_hot, several
from pipeline.sources.labels.fits import LabelFit, has_length, label_shape
from pipeline.sources.labels.label import Label
from pipeline.sources.names import normal
from pipeline.sources.window_labels import WindowLabels
from tfrecords_schema.labels import MISSING_CLASS, LabelPer, LabelSpec

MAX_CLASSES = 10_000
_FEW_CLASSES = 20
_SINGLE = {
    "integer": "one whole number",
    "value": "one number",
    "text": "one text",
    "names": "one cell of names",
}


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
      dtype: what the source's values have; records may hold them in another, that has NaN.
      ignored: the source's classes that stand for one that is not known.
      columns: of rows of 0 and 1; 0 where classes are not stored as such.
      separator: between the names in a cell.
    """

    spec: LabelSpec
    form: str
    classes: tuple[int, ...] | tuple[str, ...]
    why: str
    windows: WindowLabels | None = None
    guess: str = ""
    dtype: str = ""
    ignored: tuple[int, ...] | tuple[str, ...] = ()
    columns: int = 0
    separator: str = ""

    @functools.cached_property
    def indices(self) -> dict[int | str, int]:
        """The index of each of the source's classes; made once, not for every record."""
        classes: tuple[int | str, ...] = self.classes
        found = {value: number for number, value in enumerate(classes)}
        return found | dict.fromkeys(self.ignored, MISSING_CLASS)

    def is_missing(self, label: Label | None) -> bool:
        """Whether nothing of a label is known; of values per record, if one of them is not."""
        if label is None or label.is_missing:
            return True
        if self.spec.kind == "classes":
            return bool(label.looks.ones) and not label.looks.known
        least = 1 if self.spec.per == "record" else label.looks.rows
        return self.spec.kind == "value" and 0 < least <= label.unknown

    def counts(self, label: Label) -> Iterator[tuple[int, int]]:
        """Index of each class that a label has, and how often it has it."""
        if self.columns:
            of_row = label.looks.ones if self.spec.kind == "classes" else label.looks.columns
            yield from ((at, count) for at, count in enumerate(of_row) if count)
            return
        counts = label.counts or (1,) * len(label.classes)
        for value, count in zip(label.classes, counts, strict=True):
            if value in self.indices:
                yield self.indices[value], count


def plan_labels(
    fits: Mapping[LabelFit, int],
    classes: Mapping[LabelFit, Iterable[int | str]],
    *,
    kind: str,
    class_names: tuple[str, ...],
    windows: WindowLabels | None = None,
    ignore_label: tuple[str, ...] = (),
    has_missing: bool = False,
    separator: str = "",
    is_alone: bool = True,
) -> LabelPlan:
    """Decides what the labels of a set are.

    Args:
      fits: number of records of each fit.
      classes: distinct classes of the records of each fit.
      kind: `--label_kind`.
      class_names: `--class_names`, empty if not given.
      windows: how continuous signals were cut; None if they were not.
      ignore_label: `--ignore_label`.
      has_missing: whether labels of some records are not known, in part or at all.
      separator: `--label_separator`.
      is_alone: whether those two are for these labels, and not for others beside them.

    Raises:
      UsageError: if the labels fit no kind, or not the named one.
    """
    if not fits:
        raise UsageError(gaps.nothing_known(ignore_label))
    for_classes = ignore_label if is_alone else ()
    form = _commonest({fit: fit.form for fit in fits}, fits)
    of_form = {fit: count for fit, count in fits.items() if fit.form == form}
    if separator and form != "names" and is_alone:
        raise UsageError(
            f"--label_separator={separator} is between names, and the labels are numbers; leave it "
            "out, or check --label_key"
        )
    row_of, columns = one_hot.find(of_form, kind) if not kind.endswith("_classes") else ("", 0)
    if form != "names" and not columns and not kind.endswith("_class"):
        row_of, columns = one_hot.find(of_form, kind, operator.attrgetter("ones"))
        if columns and (kind != "auto" or columns <= several.MOST_GUESSED):
            gaps.require_none(for_classes, gaps.ROWS)
            return _of_rows(of_form, kind, row_of, columns, class_names, windows, has_missing)
        columns = 0
    found, why, guess = kind, "--label_kind", ""
    if kind == "auto":
        one_hot_kind = (f"{row_of}_class", f"one-hot rows of {columns} columns", "")
        found, why, guess = one_hot_kind if columns else _infer(of_form, form)
    per, label_kind = found.split("_")
    if form == "names" or label_kind == "classes":
        _require_names(kind, form, per, label_kind)
    if label_kind == "class" and form == "value" and not columns:
        raise UsageError(
            f"--label_kind={kind}: the labels are floats, and not all are whole numbers; classes "
            f"are integers or text: store those, or use --label_kind={per}_value"
        )
    if label_kind == "value" and form == "text":
        raise UsageError(
            f"--label_kind={kind}: the labels are text, values are numbers; store numbers, or use "
            f"--label_kind={per}_class"
        )
    are_shares = windows is not None and windows.reduction == "share"
    if label_kind == "value" and class_names and not are_shares:
        raise UsageError(
            f"--class_names={','.join(class_names[:10])} names classes, and the labels are values "
            f"({why}); leave it out, or give --label_kind={per}_class if they are classes"
        )
    windows = windows.of_kind(label_kind) if windows and per == "sample" else None
    why = f"{why}; {windows.why}" if windows else why
    if label_kind == "value":
        gaps.require_none(for_classes, gaps.VALUES)
        if kind == "auto":
            _require_values(of_form, per)
            guess = guess or several.said_of_values(of_form, per)
        dtype = _commonest({fit: fit.dtype for fit in of_form}, of_form)
        spec = _value_spec(of_form, per, windows, has_missing)
        return LabelPlan(spec, form, (), why, windows, guess, dtype)
    if columns:
        gaps.require_none(for_classes, gaps.ROWS)
        names = one_hot.names_of(columns, class_names)
        spec = LabelSpec(_stored_per(per), "class", class_names=names, has_missing=has_missing)
        guess = guess or (one_hot.said(columns, per) if kind == "auto" else "")
        return LabelPlan(spec, form, tuple(range(columns)), why, windows, guess, columns=columns)
    # A record that will be rejected adds no class.
    kept = [fit for fit in of_form if _has_label_shape(fit, per, ())]
    found_classes = {value for fit in kept for value in classes[fit]}
    ordered, names = order_classes(found_classes, form, class_names)
    if kind == "auto" and (form, per) == ("integer", "record"):
        guess = guess or _guess_of_numbers(len(found_classes), sum(of_form.values()))
    guess = "; ".join(filter(None, [guess, gaps.said(found_classes, for_classes, has_missing)]))
    stored, ignored = _stored_per(per), gaps.ignored(ignore_label, form)
    if label_kind == "classes":
        spec = classes_spec(stored, names, has_missing)
        return LabelPlan(
            spec, form, ordered, why, windows, guess, ignored=ignored, separator=separator
        )
    guess = guess or several.said_of_texts(found_classes)
    if kind == "auto" and per == "step":
        guess = guess or several.said_of_steps(of_form)
    spec = LabelSpec(stored, "class", class_names=names, has_missing=has_missing)
    return LabelPlan(spec, form, ordered, why, windows, guess, ignored=ignored)


def _of_rows(
    fits: Mapping[LabelFit, int],
    kind: str,
    per: str,
    columns: int,
    class_names: tuple[str, ...],
    windows: WindowLabels | None,
    has_missing: bool,
) -> LabelPlan:
    """Any number of classes at once, as rows of 0 and 1."""
    form = next(iter(fits)).form
    windows = windows.of_kind("classes") if windows and per == "sample" else None
    why = f"rows of 0 and 1, {columns} columns" if kind == "auto" else "--label_kind"
    why = f"{why}; {windows.why}" if windows else why
    is_unsure = has_missing or any(fit.is_unsure for fit in fits)
    spec = classes_spec(_stored_per(per), one_hot.names_of(columns, class_names), is_unsure)
    guess = several.said(columns, per) if kind == "auto" else ""
    places = tuple(range(columns))
    return LabelPlan(spec, form, places, why, windows, guess, columns=columns)


def classes_spec(per: LabelPer, names: tuple[str, ...], has_missing: bool) -> LabelSpec:
    """Any number of these classes at once.

    Raises:
      UsageError: there is no class.
    """
    if not names:
        raise UsageError("no label names a class; check --label_key and --label_separator")
    return LabelSpec(per, "classes", "int8", (len(names),), names, has_missing)


def _require_names(kind: str, form: str, per: str, label_kind: str) -> None:
    """Refuses names where something else is asked for, and the other way round.

    Raises:
      UsageError: one is the case.
    """
    if label_kind != "classes":
        raise UsageError(
            f"--label_kind={kind}: cells hold any number of names (--label_separator), which is "
            f"{per}_classes; leave one of the two out"
        )
    if form != "names":
        raise UsageError(
            f"--label_kind={kind}: the labels are neither names nor mostly rows [classes] of 0 and "
            f"1 (-1 or NaN where not known); store such rows, or use --label_kind={per}_class or "
            f"{per}_value"
        )


def _require_values(fits: Mapping[LabelFit, int], per: str) -> None:
    """Asks what floats are that hold whole numbers alone, as MATLAB and pandas store classes.

    Raises:
      UsageError: that is what they are.
    """
    is_single = all(label_shape(fit, per) == () for fit in fits)
    if is_single and all(fit.form == "value" and fit.is_whole for fit in fits):
        raise UsageError(
            "the labels are whole numbers, all of them, but stored as floats, which may be meant "
            f"either way: --label_kind={per}_class takes them for classes, "
            f"--label_kind={per}_value for values"
        )


def _guess_of_numbers(classes: int, records: int) -> str:
    """What is said of whole numbers that are many for classes, or another in every recording."""
    are_few = classes <= _FEW_CLASSES or 2 * classes <= records
    if are_few and not 2 < classes == records:
        return ""
    return (
        f"whole numbers taken for {classes} classes, in {records} recordings; "
        "--label_kind=record_value makes them values"
    )


def _value_spec(
    fits: Mapping[LabelFit, int], per: str, windows: WindowLabels | None, has_missing: bool
) -> LabelSpec:
    dtype = _commonest({fit: fit.dtype for fit in fits}, fits)
    if (windows and windows.reduction == "mean") or (has_missing and "float" not in dtype):
        dtype = "float32"
    shapes = {fit: label_shape(fit, per) for fit in fits if has_length(fit, per)}
    shape = _commonest(shapes or {fit: fit.step_label_shape for fit in fits}, fits)
    return LabelSpec(_stored_per(per), "value", dtype, shape, has_missing=has_missing)


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
    if form in ("text", "names"):
        return class_names, class_names
    numeric = all(re.fullmatch(r"-?\d+", name) for name in class_names)
    ordered = tuple(map(int, class_names)) if numeric else tuple(range(len(class_names)))
    return ordered, class_names


def _infer(fits: Mapping[LabelFit, int], form: str) -> tuple[str, str, str]:
    """The kind, how it was found, and what is said if it might be another."""
    total = sum(fits.values())
    per_step = sum(count for fit, count in fits.items() if fit.is_per_step)
    kind = {"value": "value", "names": "classes"}.get(form, "class")
    commonest = _commonest({fit: fit.record_label_shape for fit in fits}, fits)
    shape = commonest if kind == "value" else ()  # A class is a single number or text.
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
        what = f"its shape is {list(shape)}" if shape else f"it is {_SINGLE[form]}"
        why = f"in {per_record} of {total} records {what}"
        return f"record_{kind}", why, ""
    numbers = "record_value: numbers that are no classes; " if form == "integer" else ""
    if form != "value":
        numbers += "record_classes: rows of 0 and 1, or lists of names; "
    off = _commonest({fit: fit.off for fit in fits}, fits)
    near = f", mostly {abs(off)} {'longer' if off > 0 else 'shorter'}" if off else ""
    raise UsageError(
        "the labels are neither one per step nor one per record (commonest shape "
        f"{list(commonest)}, as long as the signal in {per_step} of {total}{near}); name "
        f"--label_kind ({numbers}sequence_{kind}: a time axis of its own, if it stands alone), or, "
        "of continuous signals, check the window flags, --tail and --time_axis"
    )


def _has_label_shape(fit: LabelFit, per: str, shape: tuple[int, ...]) -> bool:
    return label_shape(fit, per) == shape and has_length(fit, per)


def _commonest(values: Mapping[LabelFit, Any], counts: Mapping[LabelFit, int]) -> Any:
    total: collections.Counter[Any] = collections.Counter()
    for fit, value in values.items():
        total[value] += counts[fit]
    return min(total, key=lambda value: (-total[value], str(value)))

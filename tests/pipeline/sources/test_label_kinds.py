import re

import numpy as np
import pytest

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.sources.label_kinds import LabelPlan, order_classes, plan_labels
from pipeline.sources.labels.fits import LabelFit, fits_of
from pipeline.sources.labels.label import Label
from pipeline.sources.labels.records import convert_label, misfit
from pipeline.sources.source import Description


def _described(steps: int, shape: tuple[int, ...], form: str) -> Description:
    dtype = "float32" if form == "value" else "int64"
    label = Label(form, dtype, shape)  # type: ignore[arg-type]
    return Description("id", "id.npz", "id", "", "", "float32", steps, (2,), (label,))


def _fit(steps: int, shape: tuple[int, ...], form: str) -> LabelFit:
    [fit] = fits_of(_described(steps, shape, form))
    assert fit is not None
    return fit


def _plan(*records: tuple[int, tuple[int, ...]], form: str, kind: str = "auto") -> LabelPlan:
    fits: dict = {}
    for steps, shape in records:
        fit = _fit(steps, shape, form)
        fits[fit] = fits.get(fit, 0) + 1
    return plan_labels(fits, dict.fromkeys(fits, (0, 1)), kind=kind, class_names=())


@pytest.mark.parametrize(
    ("records", "form", "per", "shape"),
    [
        ([(4, (4,)), (5, (5,))], "integer", "step", ()),
        ([(4, (4, 1)), (5, (5, 1))], "text", "step", ()),
        ([(4, ()), (5, ())], "integer", "record", ()),
        ([(4, (1,)), (5, (1,)), (1, (1,))], "integer", "record", ()),
        ([(4, (4,)), (5, (5,)), (5, (4,))], "integer", "step", ()),
        ([(4, (4, 2)), (5, (5, 2))], "value", "step", (2,)),
        ([(4, (4,)), (5, (5,))], "value", "step", ()),
        ([(4, (3,)), (5, (3,)), (3, (3,))], "value", "record", (3,)),
        ([(3, (3,)), (3, (3,))], "value", "step", ()),
        ([(4, ()), (1, ())], "value", "record", ()),
        ([(4, (7, 2)), (5, (7, 2))], "value", "record", (7, 2)),
        ([(1, (1,)), (1, (1,))], "value", "record", ()),
    ],
)
def test_the_kind_is_the_one_that_most_records_fit(
    records: list[tuple[int, tuple[int, ...]]], form: str, per: str, shape: tuple[int, ...]
) -> None:
    spec = _plan(*records, form=form).spec
    assert (spec.per, spec.kind, spec.shape) == (
        per,
        "value" if form == "value" else "class",
        shape,
    )


def test_a_named_kind_wins() -> None:
    assert _plan((3, (3,)), form="value", kind="record_value").spec.shape == (3,)
    assert _plan((3, (5, 2)), form="value", kind="sequence_value").spec.shape == (2,)


def test_labels_of_no_kind_are_refused() -> None:
    with pytest.raises(UsageError, match="neither one per step nor one per record"):
        _plan((4, (9,)), (5, (8,)), form="integer")


def test_whole_numbers_that_are_no_classes_get_a_hint() -> None:
    with pytest.raises(UsageError, match=r"shape \[2\].*\(record_value: numbers that are no cla"):
        _plan((3, (2,)), (4, (2,)), form="integer")
    with pytest.raises(UsageError, match=r"name --label_kind \(sequence_value: a time axis"):
        _plan((3, (2,)), (4, (7,)), form="value")


@pytest.mark.parametrize(
    ("steps", "labels", "said"),
    [(5, 4, "0 of 2, mostly 1 shorter)"), (5, 7, "0 of 2, mostly 2 longer)"), (9, 4, "0 of 2)")],
)
def test_labels_that_are_a_little_shorter_than_their_signals_are_told(
    steps: int, labels: int, said: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(f"{said}; name --label_kind")):
        _plan((steps, (labels,)), (steps + 3, (labels + 3,)), form="integer")


@pytest.mark.parametrize(
    ("set_of", "steps", "shape", "said"),
    [
        ("step", 5, (), "the label is a single one, expected one for each of the signal's 5 steps; "
         "repair it, or name another --label_kind"),
        ("step", 5, (4,), "the label has 4 steps, shorter than the signal with 5; repair it, check "
         "the window flags and --tail, or name another --label_kind"),
        ("record", 5, (5,), "the label's shape is [5], expected a single one per record; repair "
         "it, or name --label_kind=step_class, as it is as long as the signal"),
        ("step", 5, (5, 2), "the label's shape is [5, 2], that is [2] per step, expected a single "
         "one per step; repair it, or name another --label_kind"),
    ],
)  # fmt: skip
def test_a_label_that_does_not_fit_is_told_what_would(
    set_of: str, steps: int, shape: tuple[int, ...], said: str
) -> None:
    found = _described(steps, shape, "integer")
    [label] = found.labels
    assert label is not None
    shapes: dict[str, tuple[int, ...]] = {"step": (6,), "record": ()}
    assert misfit(label, found, _plan((6, shapes[set_of]), form="integer")) == said


def test_names_of_classes_are_for_no_values() -> None:
    fit = _fit(3, (3,), "value")
    with pytest.raises(UsageError, match="--class_names=a,b names classes, and the labels are val"):
        plan_labels({fit: 1}, {}, kind="auto", class_names=("a", "b"))


def test_numbers_are_places_among_names() -> None:
    """Who has 1 to 3 must not add a fourth name behind, which would shift them all."""
    fit = _fit(3, (3,), "integer")
    names = ("wake", "light", "deep")
    plan = plan_labels({fit: 1}, {fit: [1, 2, 3]}, kind="auto", class_names=names)
    found = _described(3, (3,), "integer")
    [label] = found.labels
    assert label is not None
    said = misfit(label._replace(classes=(1, 2, 3), counts=(1, 1, 1)), found, plan)
    assert said == (
        "unknown class 3: numbers are places in --class_names, from 0 on, which has wake, light, "
        "deep; name every number, or repair the label"
    )


@pytest.mark.parametrize(
    ("numbers", "is_said"), [([0, 1, 2] * 4, False), ([*range(20, 30)], True), ([0, 1], False)]
)
def test_another_whole_number_in_every_recording_is_doubted(
    numbers: list[int], is_said: bool
) -> None:
    fit = _fit(5, (), "integer")
    guess = plan_labels({fit: len(numbers)}, {fit: numbers}, kind="auto", class_names=()).guess
    assert ("--label_kind=record_value makes them values" in guess) == is_said


@pytest.mark.parametrize("forms", [("integer", "value"), ("value", "integer")])
def test_numbers_in_json_are_of_one_kind_whichever_are_whole(forms: tuple[str, str]) -> None:
    most, other = forms
    found = _described(2, (2,), other)
    label = found.labels[0]
    assert label is not None
    from_json = label._replace(is_loose=True)
    assert misfit(from_json, found, _plan((2, (2,)), form=most)) == (
        f"the label's form is {other}, most of the set's are {most}; use --label_kind=step_value"
    )


def test_text_is_no_value() -> None:
    with pytest.raises(UsageError, match="--label_kind=step_value: the labels are text, values ar"):
        _plan((4, (4,)), form="text", kind="step_value")


def test_classes_are_sorted_by_value_or_ordered_by_name() -> None:
    assert order_classes([10, 9, 2], "integer", ()) == ((2, 9, 10), ("2", "9", "10"))
    assert order_classes(["b", "a"], "text", ()) == (("a", "b"), ("a", "b"))
    assert order_classes([0, 1], "integer", ("wake", "sleep")) == ((0, 1), ("wake", "sleep"))
    assert order_classes([5, 1], "integer", ("5", "1")) == ((5, 1), ("5", "1"))
    assert order_classes([5, -1], "integer", ("5", "-1")) == ((5, -1), ("5", "-1"))
    assert order_classes([0, 1], "integer", ("--5", "1")) == ((0, 1), ("--5", "1"))
    with pytest.raises(UsageError, match="more than 10000 distinct values, too many for classes"):
        order_classes(range(10_001), "integer", ())


def test_a_label_that_will_be_rejected_adds_no_class() -> None:
    good, bad = (_fit(4, shape, "integer") for shape in ((4,), (5,)))
    plan = plan_labels({good: 9, bad: 1}, {good: [3, 4], bad: [5]}, kind="auto", class_names=())
    assert plan.classes == (3, 4)


@pytest.mark.parametrize("names", ["3,1,2", "1,2,3"])
def test_class_indices_are_positions_among_the_names(names: str) -> None:
    fit = _fit(4, (4,), "integer")
    class_names = tuple(names.split(","))
    plan = plan_labels({fit: 1}, {fit: [1, 2, 3]}, kind="auto", class_names=class_names)
    label = np.array([[1], [2], [3], [1]], np.uint8)
    converted = convert_label(label, plan)
    assert converted.dtype == np.int64
    assert [class_names[index] for index in converted] == ["1", "2", "3", "1"]


def test_values_must_be_finite() -> None:
    plan = _plan((2, (2,)), form="value")
    with pytest.raises(RejectedInputError, match="the label holds NaN"):
        convert_label(np.array([1.0, np.inf]), plan)

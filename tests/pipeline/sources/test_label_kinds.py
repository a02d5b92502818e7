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

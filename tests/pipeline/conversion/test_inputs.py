"""What is decided of a set from the descriptions of its inputs."""

from typing import ClassVar

import pytest

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.conversion.inputs import Outcome, check, count_inputs, decide, describe
from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds.signals import SignalOptions, SignalSource
from pipeline.sources.labels.label import Label
from pipeline.sources.source import Description, InputFile, Reject


@pytest.mark.parametrize("time_axis", [0, 1])
def test_another_time_axis_is_suggested_where_none_is_given(time_axis: int) -> None:
    source = SignalSource(SignalOptions("in", "out", "test", time_axis=time_axis), GFiles())
    usual, odd = _signal("usual", (2,)), _signal("odd", (3,))
    decision = decide(count_inputs([usual, usual, odd]), source)
    assert check(usual, decision) is None
    reject = check(odd, decision)
    assert reject is not None
    assert ("add --time_axis=1" in reject.reason) == (not time_axis)
    assert "make all recordings alike" in reject.reason


def test_labels_that_a_kind_gives_unasked_are_left_aside() -> None:
    label = Label("integer", "int64", (), (1,))
    found = _signal("a", (2,))._replace(labels=(label,))
    source = SignalSource(SignalOptions("in", "out", "test", label_kind="none"), GFiles())
    decision = decide(count_inputs([found]), source)
    assert (decision.labels, decision.refusal) == (None, "")
    assert check(found, decision) is None


class _Failing(SignalSource):
    def describe(self, path: str) -> Description:
        raise self.errors[path]

    errors: ClassVar[dict[str, Exception]] = {
        "a.npz": KeyError("label"),
        "b.npz": UsageError("no such thing"),
        "c.npz": RejectedInputError("broken"),
    }


def test_a_fault_of_a_kind_names_the_file_and_what_a_user_can_mend_stays_as_it_is() -> None:
    source = _Failing(SignalOptions("/in", "out", "test"), GFiles())

    def found(path: str) -> list[Outcome]:
        return describe(source, "id", [InputFile(path, 1)])

    with pytest.raises(RuntimeError, match=r"_Failing.describe\('/in/a.npz'\): KeyError: 'label'"):
        found("a.npz")
    with pytest.raises(UsageError, match=r"^no such thing$"):
        found("b.npz")
    assert found("c.npz") == [Reject("c.npz", "describe", "broken")]


def _signal(name: str, step_shape: tuple[int, ...]) -> Description:
    return Description(name, f"{name}.npz", name, "", "", "float32", 5, step_shape)

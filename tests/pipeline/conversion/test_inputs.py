"""What is decided of a set from the descriptions of its inputs."""

import pytest

from pipeline.conversion.inputs import check, count_inputs, decide
from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds.signals import SignalOptions, SignalSource
from pipeline.sources.source import Description


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


def _signal(name: str, step_shape: tuple[int, ...]) -> Description:
    return Description(name, f"{name}.npz", name, "", "", "float32", 5, step_shape, None)

"""What an input says of its own group and split."""

import pytest

from pipeline.console.errors import RejectedInputError
from pipeline.sources.grouping import group_and_split, text_of
from pipeline.sources.kinds.signals import SignalOptions


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("all", "all means every split together; use another name"),
        ("1", "use a letter, then letters, digits and _"),
        ("test-a", "use a letter, then letters, digits and _"),
    ],
)
def test_a_split_that_no_split_can_be_called_is_rejected(name: str, cure: str) -> None:
    options = SignalOptions("in", "out", "test", split_key="fold")
    with pytest.raises(RejectedInputError) as error:
        group_and_split(options, "a.npz", "a", lambda *_: name)
    assert f"split {name!r} under 'fold' is no name of a split; {cure}" in str(error.value)


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_a_value_that_is_missing_names_no_group(value: float) -> None:
    with pytest.raises(RejectedInputError, match=f"group or split is {value}, which is no name"):
        text_of(value)
    assert (text_of(7.0), text_of(7), text_of(7.5), text_of("nan")) == ("7", "7", "7.5", "nan")

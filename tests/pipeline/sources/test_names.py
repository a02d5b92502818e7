import pytest

from pipeline.console.errors import RejectedInputError
from pipeline.sources.names import require_name


@pytest.mark.parametrize("name", ["a\n", "\n", "\ra", "a\u2028", "a\nb", "\ud800", "a" * 1001])
def test_what_is_no_single_line_is_no_name(name: str) -> None:
    with pytest.raises(RejectedInputError, match="is no name: expected one line of at most 1000"):
        require_name(name, "group")


@pytest.mark.parametrize("name", ["", "a", " a\t", "Ren\u00e9", "a" * 1000])
def test_one_line_is_a_name(name: str) -> None:
    assert require_name(name, "group") == name

"""What the help says of the classes of a room."""

import dataclasses

from pipeline.console.rooms import first_lines


class _Base:
    """The base.

    More of it.
    """


class _Silent(_Base):
    pass


@dataclasses.dataclass
class _Generated(_Base):
    size: int = 3


def test_each_class_is_described_by_a_line_of_its_own_or_by_none() -> None:
    kinds = {"base": _Base, "silent": _Silent, "generated": _Generated}
    assert first_lines(kinds) == "base: The base. silent. generated."

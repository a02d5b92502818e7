"""A guess: what was found, the flags that follow, and what could be read otherwise."""

import dataclasses
from typing import NamedTuple


class Reading(NamedTuple):
    """One way to read something.

    Attributes:
      flags: of the conversion, not yet quoted for a shell.
      why: what they would do, for people.
    """

    flags: tuple[str, ...]
    why: str


def digits(number: float) -> str:
    """All digits of a number, as a flag takes them."""
    return repr(float(number)).removesuffix(".0")


@dataclasses.dataclass
class Guess:
    """What is known so far.

    Attributes:
      facts: a line each, for people.
      flags: of the conversion.
      questions: what only a person knows; of several readings the first is taken.
      problems: why inputs that were tried would be rejected with the flags.
    """

    facts: list[str] = dataclasses.field(default_factory=list)
    flags: list[str] = dataclasses.field(default_factory=list)
    questions: list[tuple[str, list[Reading]]] = dataclasses.field(default_factory=list)
    problems: list[str] = dataclasses.field(default_factory=list)

    def take(self, question: str, readings: list[Reading]) -> None:
        """Takes the first of several readings; if there are others, it is a question."""
        if not readings:
            return
        self.flags += readings[0].flags
        self.facts.append(readings[0].why)
        if len(readings) > 1:
            self.questions.append((question, readings))

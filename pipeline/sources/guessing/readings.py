"""A guess: what was found, the flags that follow, and what could be read otherwise."""

import dataclasses
from typing import NamedTuple


class Reading(NamedTuple):
    """One way to read something.

    Attributes:
      flags: of the conversion, not yet quoted for a shell.
      why: what they would do, for people.
      groups: how many groups there are then; 0 if it says nothing of groups.
    """

    flags: tuple[str, ...]
    why: str
    groups: int = 0


@dataclasses.dataclass
class Guess:
    """What is known so far.

    Attributes:
      facts: a line each, for people.
      flags: of the conversion.
      groups: number of groups; 0 where every input is one.
      questions: what only a person knows; of several readings the first is taken.
    """

    facts: list[str] = dataclasses.field(default_factory=list)
    flags: list[str] = dataclasses.field(default_factory=list)
    groups: int = 0
    questions: list[tuple[str, list[Reading]]] = dataclasses.field(default_factory=list)

    def take(self, question: str, readings: list[Reading]) -> None:
        """Takes the first of several readings; if there are others, it is a question."""
        if not readings:
            return
        self.flags += readings[0].flags
        self.groups = self.groups or readings[0].groups
        self.facts.append(readings[0].why)
        if len(readings) > 1:
            self.questions.append((question, readings))

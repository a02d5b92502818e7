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
    """

    facts: list[str] = dataclasses.field(default_factory=list)
    flags: list[str] = dataclasses.field(default_factory=list)
    questions: list[tuple[str, list[Reading]]] = dataclasses.field(default_factory=list)

    def add(self, other: "Guess") -> None:
        """Takes all that another guess has."""
        self.facts += other.facts
        self.flags += other.flags
        self.questions += other.questions

    def take(self, question: str, readings: list[Reading]) -> None:
        """Takes the first of several readings; if there are others, it is a question."""
        if not readings:
            return
        self.flags += readings[0].flags
        self.facts.append(readings[0].why)
        if len(readings) > 1:
            self.questions.append((question, readings))


def take_rate(rates: set[float], guess: Guess) -> float:
    """Adds the rate of all recordings, or asks which they shall have; returns the lowest."""
    if len(rates) == 1:
        rate_hz = rates.pop()
        if rate_hz:
            rate = digits(rate_hz)
            guess.take("", [Reading((f"--sample_rate_hz={rate}",), f"rate: {rate} Hz")])
        return rate_hz
    low, high = min(rates), max(rates)
    guess.take(
        "Which rate shall all have?",
        [
            Reading((f"--resample_hz={rate}",), f"rates: {low:g} to {high:g} Hz, made {rate}")
            for rate in map(digits, (low, high))
        ],
    )
    return low

"""What was left out or changed on the way from a folder to a dataset: a count for each reason."""

import dataclasses
import re
from collections.abc import Iterable

MOST_KEPT = 100  # Reasons in a manifest; what is beyond is counted together.
_MOST_HELD = 1000  # In memory, of the endings of files, say, that a folder may have.
_OTHERS = "for other reasons"


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """Things that were left out or changed for one reason.

    Attributes:
      what: what they are, in the singular, such as `file`; empty where the reason is of the set.
      reason: what was done, why and, where it can be, what to do. Numbers and quoted names in it do
        not make it another reason.
      count: how many they are.
      example: path of one of them, the first by name.
    """

    what: str
    reason: str
    count: int = 1
    example: str = ""


def pattern(reason: str) -> str:
    """A reason without its numbers and quoted names: what those of many inputs have in common."""
    return re.sub(r"'[^']*'|\d+", "#", reason)


class Tally:
    """Counts by reason; they add up in any order to the same."""

    def __init__(self, rows: Iterable[LeftOut] = ()):
        self._rows: dict[tuple[str, str], LeftOut] = {}
        self.update(rows)

    def add(self, row: LeftOut) -> None:
        """Adds to the count of a reason; of two examples the first by name stays, with its text."""
        key = (row.what, pattern(row.reason))
        if key not in self._rows and len(self._rows) >= _MOST_HELD:
            row, key = dataclasses.replace(row, reason=_OTHERS), (row.what, _OTHERS)
        found = self._rows.get(key, row)
        first = min(found, row, key=lambda one: (one.example, one.reason))
        count = row.count + (found.count if key in self._rows else 0)
        self._rows[key] = dataclasses.replace(first, count=count)

    def update(self, rows: Iterable[LeftOut]) -> None:
        """Adds several."""
        for row in rows:
            self.add(row)

    def rows(self) -> tuple[LeftOut, ...]:
        """By reason, the commonest first; beyond `MOST_KEPT` in one row without a reason."""
        rows = sorted(self._rows.values(), key=lambda row: (-row.count, row.what, row.reason))
        kept, rest = rows[:MOST_KEPT], rows[MOST_KEPT:]
        if rest:
            example = min(row.example for row in rest)
            kept.append(LeftOut("more", _OTHERS, sum(row.count for row in rest), example))
        return tuple(kept)

"""Which split a group belongs to: a stable hash of its name, never of its neighbours.

A group's hash depends on the seed and its own name alone, so fractions keep every group
where it is when files are added. (Python's `hash` is salted: it differs from run to run.)
"""

import dataclasses
import functools
import hashlib
import re
from fractions import Fraction

from pipeline.console.errors import UsageError

HASH_RANGE = 1 << 64
# To tensorflow-datasets `all` is every split together.
SPLIT_NAME = re.compile(r"(?!all\Z)[A-Za-z][A-Za-z0-9_]*")
ALL_IS_NO_SPLIT = "all means every split together; use another name"
_REST = "rest"
_EXAMPLE = "train=0.8,validation=0.1,test=0.1 or test=128,validation=128,train=rest"


def stable_hash(*parts: object) -> int:
    """First 64 bits of the SHA-256 of the parts: the same on every machine and day."""
    text = "\0".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")


@dataclasses.dataclass(frozen=True)
class SplitSpec:
    """Shares of the groups per split, in the order in which they were given.

    Attributes:
      fractions: `(name, share)` with shares that sum to 1; empty if counts are given.
      counts: `(name, number of groups)`.
      rest: split that takes all groups beyond the counts.
    """

    fractions: tuple[tuple[str, Fraction], ...] = ()
    counts: tuple[tuple[str, int], ...] = ()
    rest: str = ""

    @classmethod
    @functools.lru_cache  # Asked for with every record.
    def parse(cls, text: str) -> "SplitSpec":
        """Parses `train=0.8,test=0.2` or `test=128,train=rest`.

        Raises:
          UsageError: if the text is neither.
        """
        entries = [_parse_entry(entry, text) for entry in text.split(",") if entry.strip()]
        names = [name for name, _ in entries]
        if not entries or len(set(names)) < len(names):
            raise UsageError(f"--splits={text}: name each split once, as in {_EXAMPLE}")
        if any(value == _REST for _, value in entries):
            return _parse_counts(entries, text)
        return _parse_fractions(entries, text)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the splits."""
        if self.fractions:
            return tuple(name for name, _ in self.fractions)
        return (*(name for name, _ in self.counts), self.rest)

    @property
    def counted_groups(self) -> int:
        """Number of groups that the counts take."""
        return sum(count for _, count in self.counts)

    def split_of(self, group_hash: int, smallest_hashes: list[int]) -> str:
        """The split of a group.

        Args:
          group_hash: `stable_hash` of the group, in [0, 2^64).
          smallest_hashes: the `counted_groups` smallest hashes of all groups, ascending;
            not used with fractions.
        """
        if self.fractions:
            return self._split_by_fraction(group_hash)
        start = 0
        for name, count in self.counts:
            start += count
            if group_hash <= smallest_hashes[min(start, len(smallest_hashes)) - 1]:
                return name
        return self.rest

    def _split_by_fraction(self, group_hash: int) -> str:
        threshold = Fraction(0)
        for name, share in self.fractions:
            threshold += share
            if group_hash < threshold * HASH_RANGE:
                return name
        return self.fractions[-1][0]


def _parse_entry(entry: str, text: str) -> tuple[str, str]:
    name, equals, value = (part.strip() for part in entry.partition("="))
    if name == "all":
        raise UsageError(f"--splits={text}: {ALL_IS_NO_SPLIT}")
    if not equals or not SPLIT_NAME.fullmatch(name):
        raise UsageError(f"--splits={text}: got {entry.strip()!r}, expected {_EXAMPLE}")
    return name, value


def _parse_counts(entries: list[tuple[str, str]], text: str) -> SplitSpec:
    rest = [name for name, value in entries if value == _REST]
    counted = [(name, value) for name, value in entries if value != _REST]
    if len(rest) > 1 or not all(value.isdecimal() and int(value) > 0 for _, value in counted):
        raise UsageError(
            f"--splits={text}: with counts, each split has a whole number of groups and exactly "
            f"one has rest, as in {_EXAMPLE}"
        )
    return SplitSpec(counts=tuple((name, int(value)) for name, value in counted), rest=rest[0])


def _parse_fractions(entries: list[tuple[str, str]], text: str) -> SplitSpec:
    try:
        shares = tuple((name, Fraction(value)) for name, value in entries)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"--splits={text}: shares must be numbers, as in {_EXAMPLE}") from None
    total = sum(share for _, share in shares)
    if total != 1 or any(share <= 0 for _, share in shares):
        hint = "; with counts, one split must be rest" if total > 1 else ""
        raise UsageError(
            f"--splits={text}: shares must be above 0 and sum to 1, "
            f"got a sum of {float(total):g}{hint}"
        )
    return SplitSpec(fractions=shares)

"""Physical units: how many of one are another, where both are multiples of the same."""

import functools
import re

_POWERS = {"p": -12, "n": -9, "u": -6, "m": -3, "": 0, "k": 3}
_MULTIPLE = re.compile(r"([pnumk]?)(V|A|T|Pa|Hz|S|g|s|l|L|Ohm)")
_MICRO = str.maketrans("\u00b5\u03bc", "uu")


def spelled(unit: str) -> str:
    """A unit in one spelling: both letters for micro are `u`, as EDF has it."""
    return unit.strip().translate(_MICRO)


@functools.lru_cache(maxsize=1024)
def factor(unit: str, wanted: str) -> float:
    """What values in one unit are multiplied by to be in another.

    Returns:
      1 also where one is unknown, or no multiple of the same as the other.
    """
    found, other = (_MULTIPLE.fullmatch(spelled(text)) for text in (unit, wanted))
    if not found or not other or found[2] != other[2]:
        return 1.0
    return float(f"1e{_POWERS[found[1]] - _POWERS[other[1]]}")

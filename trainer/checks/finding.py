"""What a check found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

# Of the largest number that is compared. A fault shows in the first digits; sums in another order
# in the last ones.
TOLERANCE = 1e-4
# Gradients that should be 0 are sums of what cancels out.
_NOTHING = 1e-3


class Finding(NamedTuple):
    """One line.

    Attributes:
      what: must hold.
      holds: whether it does.
      seen: the number seen, and where it fails what to do.
    """

    what: str
    holds: bool
    seen: str


def is_float(values: np.ndarray) -> bool:
    """Whether numbers are such that are computed with, and no counters or seeds."""
    return bool(np.issubdtype(values.dtype, np.floating))


def compared(what: str, pairs: Iterable[tuple[np.ndarray, np.ndarray]], cure: str) -> Finding:
    """Whether the arrays of each pair are equal, up to a share of the largest number in them.

    Args:
      what: must hold.
      pairs: the arrays; where one pair is next to nothing beside the others, theirs counts.
      cure: what to do where they differ.
    """
    found = [(np.asarray(one, np.float64), np.asarray(other, np.float64)) for one, other in pairs]
    if not all(np.isfinite(array).all() for pair in found for array in pair):
        return Finding(what, False, f"NaN or infinity; {cure}")
    sizes = [max(_largest(one), _largest(other)) for one, other in found]
    least = _NOTHING * max(sizes, default=0.0)
    gaps = [
        (_largest(one - other) / max(size, least), _largest(one - other), size)
        for (one, other), size in zip(found, sizes, strict=True)
        if max(size, least)
    ]
    share, gap, size = max(gaps, default=(0.0, 0.0, 0.0))
    holds = share <= TOLERANCE
    seen = f"differs by {gap:.1e} at most, of numbers up to {size:.1e}"
    return Finding(what, holds, seen if holds else f"{seen}; {cure}")


def _largest(values: np.ndarray) -> float:
    return float(np.abs(values).max(initial=0.0))

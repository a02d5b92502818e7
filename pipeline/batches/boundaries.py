"""Bucket boundaries: which padded lengths a split's batches may have.

A record of `n` steps goes to the first bucket whose boundary is at least `n` and is padded to it.
"""

from collections.abc import Mapping

import numpy as np

from pipeline.batches.random_order import blocks
from tfrecords_schema.errors import UserError

Lengths = np.ndarray | Mapping[int, int]

# Above this many candidate lengths the search would take seconds, while the finer choice changes
# the padding by less than 0.01% of the steps.
MAX_CANDIDATES = 16_384


def optimal_boundaries(lengths: Lengths, num_buckets: int, *, align: int = 1) -> np.ndarray:
    """The boundaries that pad the fewest steps in total.

    A dynamic programme over the distinct lengths: with `N[j]` records no longer than candidate
    `c[j]`, one bucket over `(i, j]` costs `c[j] * (N[j] - N[i])`, a line in `c[j]`. So each further
    bucket takes the lower hull of the lines of the one before it, O(num_buckets * candidates). With
    more than 16,384 distinct lengths only as many of them, evenly spaced in rank, are candidates.

    Args:
      lengths: [records] steps of each record, or a histogram {steps: records}.
      num_buckets: most boundaries to return; fewer come back when there are fewer lengths.
      align: every boundary is a multiple of this many steps.

    Returns:
      [buckets] int32, ascending; the last is the longest length, rounded up to `align`.

    Raises:
      UserError: no records, a length below 1, or `num_buckets` or `align` below 1.
    """
    steps, counts = _histogram(lengths, num_buckets, align)
    candidates, counts = _candidates(steps, counts, align)
    if num_buckets >= len(candidates):
        return candidates.astype(np.int32)
    ends = _fewest_padded_steps(candidates.tolist(), np.cumsum(counts).tolist(), num_buckets)
    return candidates[ends].astype(np.int32)


def padding_share(lengths: Lengths, boundaries: np.ndarray) -> float:
    """The part of all padded steps that is padding, in [0, 1).

    Raises:
      UserError: no records, or a record longer than the last boundary.
    """
    steps, counts = _histogram(lengths, 1, 1)
    boundaries = np.asarray(boundaries, np.int64)
    padded = (boundaries[bucket_of(steps, boundaries)] * counts).sum()
    return float(1 - (steps * counts).sum() / padded)


def bucket_of(steps: np.ndarray, boundaries: np.ndarray) -> np.ndarray:
    """The bucket of each length: [records] intp, positions in `boundaries`.

    Raises:
      UserError: a length is above the last boundary.
    """
    longest = steps.max()
    if longest > boundaries[-1]:
        raise UserError(
            f"The longest record has {longest} steps and the last boundary is {boundaries[-1]}: "
            f"add a boundary of at least {longest}."
        )
    return np.searchsorted(boundaries, steps)


def _histogram(lengths: Lengths, num_buckets: int, align: int) -> tuple[np.ndarray, np.ndarray]:
    """Distinct lengths, ascending, and how many records have each; both int64."""
    for name, value in (("num_buckets", num_buckets), ("align", align)):
        if value < 1:
            raise UserError(f"{name} is {value}; it must be at least 1.")
    if isinstance(lengths, Mapping):
        steps = np.array(sorted(lengths), np.int64)
        counts = np.array([lengths[length] for length in steps.tolist()], np.int64)
    else:
        steps, counts = _distinct(np.asarray(lengths))
    if not counts.sum():
        raise UserError("There are no records to choose boundaries for: the lengths are empty.")
    if steps[0] < 1:
        raise UserError(f"A record has {steps[0]} steps; every record needs at least 1.")
    return steps, counts


def _distinct(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct lengths, ascending, and how many there are of each; both int64."""
    found = [np.unique(lengths[block], return_counts=True) for block in blocks(len(lengths))]
    steps = np.concatenate([np.zeros(0, np.int64), *(steps for steps, _ in found)])
    counts = np.concatenate([np.zeros(0, np.int64), *(counts for _, counts in found)])
    steps, which = np.unique(steps, return_inverse=True)
    totals = np.zeros(len(steps), np.int64)
    np.add.at(totals, which, counts)
    return steps, totals


def _candidates(steps: np.ndarray, counts: np.ndarray, align: int) -> tuple[np.ndarray, np.ndarray]:
    """The lengths that may become boundaries, and the records that each would newly hold."""
    candidates = np.unique(-(-steps // align) * align)
    if len(candidates) > MAX_CANDIDATES:
        ranks = np.linspace(0, len(candidates) - 1, MAX_CANDIDATES).astype(np.int64)
        candidates = candidates[ranks]
    held = np.bincount(np.searchsorted(candidates, steps), counts, len(candidates))
    return candidates, held.astype(np.int64)


def _fewest_padded_steps(lengths: list[int], held: list[int], num_buckets: int) -> list[int]:
    """Positions of the best boundaries; `held[j]`: records no longer than `lengths[j]`.

    Python integers: the crossing points are compared exactly, whatever the totals.
    """
    costs = [length * count for length, count in zip(lengths, held, strict=True)]
    previous = []
    for _ in range(num_buckets - 1):
        costs, chosen = _with_one_more_bucket(lengths, held, costs)
        previous.append(chosen)
    ends = [len(lengths) - 1]
    for chosen in reversed(previous):
        if chosen[ends[-1]] >= 0:
            ends.append(chosen[ends[-1]])
    return ends[::-1]


def _with_one_more_bucket(
    lengths: list[int], held: list[int], costs: list[int]
) -> tuple[list[int], list[int]]:
    """The least cost up to each candidate with one more bucket, and where the one before ends.

    Candidate i contributes the line `costs[i] - held[i] * length`. Slopes fall and lengths rise
    with i, so the lower hull is a queue: lines leave at the front once they are passed for good.
    """
    best, chosen = list(costs), [-1] * len(costs)
    hull: list[int] = []
    front = 0
    for j in range(1, len(lengths)):
        length = lengths[j]
        _push_line(hull, front, j - 1, costs, held)
        while front + 1 < len(hull):
            here, following = hull[front], hull[front + 1]
            if costs[following] - costs[here] > (held[following] - held[here]) * length:
                break
            front += 1
        i = hull[front]
        cost = costs[i] + length * (held[j] - held[i])
        if cost < best[j]:
            best[j], chosen[j] = cost, i
    return best, chosen


def _push_line(hull: list[int], front: int, new: int, costs: list[int], held: list[int]) -> None:
    """Adds a line behind the hull, and first removes those that it keeps from being lowest."""
    while len(hull) - front >= 2:
        a, b = hull[-2], hull[-1]
        crossing_new = (costs[new] - costs[a]) * (held[b] - held[a])
        crossing_b = (costs[b] - costs[a]) * (held[new] - held[a])
        if crossing_new > crossing_b:
            break
        hull.pop()
    hull.append(new)

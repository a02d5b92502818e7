"""Groups divided into parts of given sizes, of like shares of the classes; no group is divided.

Arithmetic on whole numbers alone, and hashes for random orders: the same on any machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from pipeline.batches.random_order import permutation

_UNIT = 1 << 16  # What a part would have of each column, if it could be divided evenly.
STARTS = 16
# Of very many groups some stay where they could do a little better.
_MOST_ROUNDS = 1_000
# Exchanges of two groups are looked at for so many groups, moves of one for any number.
_MOST_EXCHANGED = 400
_LARGEST_WEIGHT = 1 << 10
# What a class costs that a part has nothing of, where an even division of the class costs 1. Else
# one of three groups would be too much for a tenth, and none the better division.
_COST_OF_NONE = 4


def divide(
    counts: np.ndarray,
    sizes: Sequence[Fraction],
    *key: int,
    held: np.ndarray | None = None,
    starts: int = STARTS,
    fills: bool = False,
) -> np.ndarray:
    """Divides groups into parts, each with about its size's share of every column.

    The sum of squared shares, each over the size of its part, is made small; it is least where
    every part has its size's share of everything. Each group is placed where it adds least, once
    the largest first and then in random orders; then groups are moved and exchanged as long as
    that helps. The best is taken. No part stays empty where there are groups enough.

    Args:
      counts: `[groups, columns]` integer: records, then labels of each class, say. Of the first
        column every group has something; columns of 0 do not count.
      sizes: of the parts, above 0; only their ratios matter.
      *key: integers; others give another division, if there are several as good.
      held: `[parts, columns]` integer, what is in the parts already and stays; None for nothing.
      starts: how many orders are tried.
      fills: whether parts that have nothing of a column are worse than parts that have too much.

    Returns:
      `[groups]` int64, the part of each group.
    """
    if not len(counts):
        return np.zeros(0, np.int64)
    held = np.zeros((len(sizes), counts.shape[1]), np.int64) if held is None else held
    totals = counts.sum(0, dtype=np.int64) + held.sum(0, dtype=np.int64)
    unit = len(sizes) * max(_UNIT, len(counts))
    shares, of_held = (
        np.maximum(
            rows[:, totals > 0].astype(np.int64) * unit // totals[totals > 0],
            rows[:, totals > 0] > 0,  # Nothing weighs nothing.
        )
        for rows in (counts, held)
    )
    weights = _weights(sizes)
    cost_of_none = int(_COST_OF_NONE * unit**2 / (1 / weights).sum()) if fills else 0
    parts = _Parts(shares, of_held, weights, cost_of_none)
    orders = [permutation(len(shares), *key, start) for start in range(starts)]
    orders[0] = orders[0][np.argsort(-shares[orders[0]].max(1), kind="stable")]
    found = [parts.improved(parts.placed(order)) for order in orders]
    costs = [*map(parts.cost, found)]
    return found[costs.index(min(costs))]


def _weights(sizes: Sequence[Fraction]) -> np.ndarray:
    """Whole numbers in the ratios of 1 over the sizes; of large ones, about."""
    inverse = [1 / Fraction(size) for size in sizes]
    common = math.lcm(*(ratio.denominator for ratio in inverse))
    whole = [int(ratio * common) for ratio in inverse]
    scale = max(Fraction(math.gcd(*whole)), Fraction(max(whole), _LARGEST_WEIGHT))
    return np.array([max(1, round(number / scale)) for number in whole], np.int64)


class _Parts:
    """What is divided: shares of the groups `[groups, columns]`, and of what is held."""

    def __init__(self, shares: np.ndarray, held: np.ndarray, weights: np.ndarray, none: int):
        self._shares, self._held, self._weights, self._none = shares, held, weights, none
        self._squares, self._has = (shares**2).sum(1), (shares > 0).astype(np.int64)
        self._has_held = held[:, 0] > 0

    def cost(self, part: np.ndarray) -> int:
        """Sum over parts and columns of the squared share, weighted, and of what is not there."""
        sums = self._sums(part)
        return int((self._weights[:, None] * sums**2).sum() + self._none * (sums == 0).sum())

    def placed(self, order: np.ndarray) -> np.ndarray:
        """Each group where it adds least, in the order given; the last ones fill empty parts."""
        part, sums, is_empty = np.zeros(len(order), np.int64), self._held.copy(), ~self._has_held
        for left, group in zip(range(len(order), 0, -1), order.tolist(), strict=True):
            shares = self._shares[group]
            added = self._weights * (2 * (sums @ shares) + self._squares[group])
            if left <= is_empty.sum():
                added[~is_empty] = np.iinfo(np.int64).max
            best = int(added.argmin())
            part[group], is_empty[best] = best, False
            sums[best] += shares
        return part

    def improved(self, part: np.ndarray) -> np.ndarray:
        """Moves one group, or exchanges two, where that helps most, until nothing does."""
        sums = self._sums(part)
        for _ in range(_MOST_ROUNDS):
            change, group, other = self._best_move(part, sums)
            if len(part) <= _MOST_EXCHANGED:
                exchange = self._best_exchange(part, sums)
                if exchange[0] < change:
                    change, group, other = exchange
                    other_group, other = other, int(part[other])
                    self._put(other_group, int(part[group]), part, sums)
            if change >= 0:
                break
            self._put(group, other, part, sums)
        return part

    def _sums(self, part: np.ndarray) -> np.ndarray:
        sums = self._held.copy()
        np.add.at(sums, part, self._shares)
        return sums

    def _put(self, group: int, to: int, part: np.ndarray, sums: np.ndarray) -> None:
        sums[part[group]] -= self._shares[group]
        sums[to] += self._shares[group]
        part[group] = to

    def _best_move(self, part: np.ndarray, sums: np.ndarray) -> tuple[int, int, int]:
        """What the best move of one group changes, the group, and its new part."""
        every, squares = np.arange(len(part)), self._squares
        products = self._shares @ sums.T  # [groups, parts]
        left = self._weights[part] * (squares - 2 * products[every, part])
        change = self._weights * (2 * products + squares[:, None]) + left[:, None]
        if self._none:
            filled = self._has @ (sums == 0).T
            change += self._none * (self._sole(part, sums).sum(1)[:, None] - filled)
        members = np.bincount(part, minlength=len(sums)) + self._has_held
        change[members[part] == 1] = 0  # Else a part would be empty.
        change[every, part] = 0
        group, to = np.unravel_index(int(change.argmin()), change.shape)
        return int(change[group, to]), int(group), int(to)

    def _sole(self, part: np.ndarray, sums: np.ndarray) -> np.ndarray:
        """`[groups, columns]`: where a group has all that its part has, and something."""
        return (sums[part] == self._shares) & (self._shares > 0)

    def _best_exchange(self, part: np.ndarray, sums: np.ndarray) -> tuple[int, int, int]:
        """What the best exchange of two groups changes, and both of them."""
        shares, squares, weights = self._shares, self._squares, self._weights[part]
        products = (shares @ sums.T)[:, part]  # [i, j]: group i times the sums of the part of j.
        apart = squares[:, None] + squares[None] - 2 * shares @ shares.T
        # To the part of j comes i, and j goes.
        gained = weights[None] * (2 * (products - np.diag(products)[None]) + apart)
        if self._none:
            emptied = (1 - self._has) @ self._sole(part, sums).T
            gained += self._none * (emptied - self._has @ (sums == 0)[part].T)
        change = gained + gained.T
        change[part[:, None] == part[None]] = 0
        group, other = np.unravel_index(int(change.argmin()), change.shape)
        return int(change[group, other]), int(group), int(other)

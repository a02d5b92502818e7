"""Folds of a dataset: whole groups, of like size and like shares of the classes.

Arithmetic on whole numbers alone, and hashes for random orders: the same on any machine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.batches.plan import permutation
from pipeline.console.errors import UsageError

_UNIT = 1 << 16  # What all folds would have of each column, if it could be divided evenly.
_STARTS = 16
# Of very many groups some stay where they could do a little better.
_MOST_ROUNDS = 1_000
# Exchanges of two groups are looked at for so many groups, moves of one for any number.
_MOST_EXCHANGED = 400


def divide(counts: np.ndarray, folds: int, *key: int) -> np.ndarray:
    """Divides groups into folds, each with about the same share of every column.

    The sum of squared shares is made small: each group is placed where it adds least, once the
    largest first and then in random orders; then groups are moved and exchanged as long as that
    helps. The best is taken. A move into an empty fold always helps, so none stays empty.

    Args:
      counts: `[groups, columns]` integer: records, then labels of each class, say. Of the first
        column every group has something; columns of 0 do not count.
      folds: how many, at most as many as groups.
      *key: integers; others give another division, if there are several as good.

    Returns:
      `[groups]` int64, the fold of each group.

    Raises:
      UsageError: there are fewer groups than folds, or fewer than two folds.
    """
    if not 2 <= folds <= len(counts):
        raise UsageError(
            f"--folds={folds}: expected 2 to {len(counts)}, as there are {len(counts)} groups and "
            "none is divided; give fewer folds, or --folds=groups for one of each"
        )
    totals = counts.sum(0, dtype=np.int64)
    shares = counts[:, totals > 0].astype(np.int64) * (folds * _UNIT) // totals[totals > 0]
    shares = np.maximum(shares, counts[:, totals > 0] > 0)  # Nothing weighs nothing.
    orders = [permutation(len(shares), *key, start) for start in range(_STARTS)]
    orders[0] = orders[0][np.argsort(-shares[orders[0]].max(1), kind="stable")]
    found = [_improved(shares, _placed(shares, folds, order), folds) for order in orders]
    costs = [unevenness(shares, fold, folds) for fold in found]
    return found[costs.index(min(costs))]


def unevenness(shares: np.ndarray, fold: np.ndarray, folds: int) -> int:
    """Sum over folds and columns of the squared share; least where all folds are alike."""
    return int((_sums(shares, fold, folds) ** 2).sum())


def _sums(shares: np.ndarray, fold: np.ndarray, folds: int) -> np.ndarray:
    sums = np.zeros((folds, shares.shape[1]), np.int64)
    np.add.at(sums, fold, shares)
    return sums


def _placed(shares: np.ndarray, folds: int, order: np.ndarray) -> np.ndarray:
    """Each group where it adds least, in the order given."""
    fold, sums = np.zeros(len(shares), np.int64), np.zeros((folds, shares.shape[1]), np.int64)
    for group in order.tolist():
        best = int(np.argmin(sums @ shares[group]))
        fold[group] = best
        sums[best] += shares[group]
    return fold


def _improved(shares: np.ndarray, fold: np.ndarray, folds: int) -> np.ndarray:
    """Moves one group, or exchanges two, where that helps most, until nothing does."""
    sums, squares = _sums(shares, fold, folds), (shares**2).sum(1)
    for _ in range(_MOST_ROUNDS):
        change, group, other = _best_move(shares, squares, fold, sums)
        if len(shares) <= _MOST_EXCHANGED:
            exchange = _best_exchange(shares, squares, fold, sums)
            if exchange[0] < change:
                change, group, other = exchange
                other_group, other = other, int(fold[other])
                _put(other_group, int(fold[group]), shares, fold, sums)
        if change >= 0:
            break
        _put(group, other, shares, fold, sums)
    return fold


def _put(group: int, to: int, shares: np.ndarray, fold: np.ndarray, sums: np.ndarray) -> None:
    sums[fold[group]] -= shares[group]
    sums[to] += shares[group]
    fold[group] = to


def _best_move(
    shares: np.ndarray, squares: np.ndarray, fold: np.ndarray, sums: np.ndarray
) -> tuple[int, int, int]:
    """What the best move of one group changes, the group, and its new fold."""
    products = shares @ sums.T  # [groups, folds]
    own = products[np.arange(len(shares)), fold]
    change = 2 * (products - own[:, None] + squares[:, None])
    change[np.arange(len(shares)), fold] = 0
    group, to = np.unravel_index(int(change.argmin()), change.shape)
    return int(change[group, to]), int(group), int(to)


def _best_exchange(
    shares: np.ndarray, squares: np.ndarray, fold: np.ndarray, sums: np.ndarray
) -> tuple[int, int, int]:
    """What the best exchange of two groups changes, and both of them."""
    products = (shares @ sums.T)[:, fold]  # [i, j]: group i times the sums of the fold of j.
    own = np.diag(products)
    apart = squares[:, None] + squares[None] - 2 * shares @ shares.T
    change = 2 * (products - own[:, None] + products.T - own[None] + apart)
    change[fold[:, None] == fold[None]] = 0
    group, other = np.unravel_index(int(change.argmin()), change.shape)
    return int(change[group, other]), int(group), int(other)


def each_group(groups: Sequence[str]) -> np.ndarray:
    """One fold of each group, in order of their names."""
    return np.argsort(np.argsort(np.array(groups), kind="stable"), kind="stable")

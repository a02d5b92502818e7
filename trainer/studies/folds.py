"""Folds of a dataset: whole groups, of like size and like shares of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from pipeline.console.errors import UsageError
from pipeline.sources.division import even_division


def divide(counts: np.ndarray, folds: int, *key: int) -> np.ndarray:
    """Divides groups into folds, each with about the same share of every column.

    Args:
      counts: see `even_division.divide`.
      folds: how many, at most as many as groups.
      *key: integers; others give another division, if there are several as good.

    Returns:
      `[groups]` int64, the fold of each group; no fold is empty.

    Raises:
      UsageError: there are fewer groups than folds, or fewer than two folds.
    """
    if not 2 <= folds <= len(counts):
        raise UsageError(
            f"--folds={folds}: expected 2 to {len(counts)}, as there are {len(counts)} groups and "
            "none is divided; give fewer folds, or --folds=groups for one of each"
        )
    return even_division.divide(counts, [Fraction(1)] * folds, *key)


def each_group(groups: Sequence[str]) -> np.ndarray:
    """One fold of each group, in order of their names."""
    return np.argsort(np.argsort(np.array(groups), kind="stable"), kind="stable")

"""The plan of an epoch of more records than are planned at once: one block after the other.

A block takes runs of neighbouring records, other ones in each epoch. Neighbours in an index are
unrelated, so a block is a random part of the split: its lengths are about those of all. All of the
plan that grows with the split lies in files; see `GrowingArray`.
"""

from collections.abc import Callable, Iterator

import numpy as np

from pipeline.batches.random_order import permutation
from tfrecords_schema.shared_arrays import GrowingArray, joined_arrays

MOST_AT_ONCE = 1 << 25
"""Records of which an epoch is planned as a whole, in some 15 bytes each."""
_RUN, _RUNS = 1 << 14, 1 << 8
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]
"""`records`, `step_starts` and `padded_steps` of an `EpochPlan`."""


def plan_in_blocks(
    count: int, plan_block: Callable[[np.ndarray, int], Arrays], key: tuple[int, ...]
) -> Arrays:
    """Plans all of `count` records.

    Args:
      count: how many records.
      plan_block: plans the records of some rows, in the block of a number.
      key: decides which runs come when; empty for their own order.
    """
    records, starts, padded_steps = (GrowingArray(count + 1, np.int32) for _ in range(3))
    begin = 0
    for number, rows in enumerate(_blocks(count, key)):
        order, step_starts, padded = plan_block(rows, number)
        records.append(rows[order])
        starts.append(step_starts[:-1] + begin)
        padded_steps.append(padded)
        begin += len(rows)
    starts.append(np.array([begin], np.int32))
    return records.array(), starts.array(), padded_steps.array()


def _blocks(count: int, key: tuple[int, ...]) -> Iterator[np.ndarray]:
    """The rows of each block: int32."""
    runs = -(-count // _RUN)
    order = permutation(runs, *key) if key else np.arange(runs, dtype=np.int32)
    for start in range(0, runs, _RUNS):
        begins = order[start : start + _RUNS, None] * np.int32(_RUN)
        rows = (begins + np.arange(_RUN, dtype=np.int32)).ravel()
        yield rows[rows < count]


def permutation_in_blocks(count: int, *key: int) -> np.ndarray:
    """A random order of `range(count)`, int32: of all of it, or of neighbours where it is long."""
    if count <= MOST_AT_ONCE:
        return permutation(count, *key)
    of_block = (
        rows[permutation(len(rows), *key, number)] for number, rows in enumerate(_blocks(count, ()))
    )
    return joined_arrays(of_block, count, np.int32)

"""Dealing the rows of global batches out to replicas, with about as many valid steps each."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.batches.plan import EpochPlan
from pipeline.batches.random_order import stable_order
from tfrecords_schema.errors import UserError
from tfrecords_schema.shared_arrays import GrowingArray

NO_RECORD = -1
_RECORDS_AT_ONCE = 1 << 20  # Dealing takes some 60 bytes each.


@dataclasses.dataclass(frozen=True)
class DealtPlan:
    """Per-replica batches: those of the first step, replica after replica, then the next step's.

    Attributes:
      records: [rows] int32, row numbers of the split's index, batch after batch; -1 for the one
        row of a batch that has no record.
      starts: [batches + 1] int32, where in `records` each batch begins; the first may be later
        than at 0.
      padded_steps: [batches] int32, the length that all rows of a batch are padded to.
      partners: [rows] int32, the partner of each record, where the plan has them.
    """

    records: np.ndarray
    starts: np.ndarray
    padded_steps: np.ndarray
    partners: np.ndarray | None = None


def deal_plan(
    plan: EpochPlan,
    steps: np.ndarray,
    num_replicas: int,
    *,
    replicas: Sequence[int] | None = None,
    start_step: int = 0,
) -> DealtPlan:
    """Deals every global batch of a plan out, from `start_step` on.

    Args:
      plan: the plan of an epoch.
      steps: [records] integer, steps of each record of the split.
      num_replicas: replicas that share a global batch.
      replicas: those whose rows are wanted, in this order; None for all.
      start_step: first global batch; `plan.num_steps` leaves none.

    Raises:
      ValueError: `start_step` or a replica is out of range, or a replica is named twice.
    """
    wanted = list(range(num_replicas)) if replicas is None else list(replicas)
    _check_dealing(plan, num_replicas, wanted, start_step)
    padded_steps = plan.padded_steps[start_step:]
    if num_replicas == len(wanted) == 1:  # All of it, as it is, without copies of a large plan.
        return DealtPlan(plan.records, plan.step_starts[start_step:], padded_steps, plan.partners)
    batches = len(padded_steps) * len(wanted)
    most = len(plan.records) - int(plan.step_starts[start_step]) + batches
    dealt = {"records": GrowingArray(most, np.int32)}
    if plan.partners is not None:
        dealt["partners"] = GrowingArray(most, np.int32)
    sizes = [np.zeros(1, np.int64)]
    for first, last in some_steps(plan.step_starts, start_step):
        starts = plan.step_starts[first : last + 1]
        rows = slice(starts[0], starts[-1])
        lengths = steps[plan.records[rows]]
        places, of_steps = _dealt(lengths, starts - starts[0], num_replicas, wanted)
        for name, column in dealt.items():
            values = getattr(plan, name)[rows][places]
            column.append(np.where(places == NO_RECORD, NO_RECORD, values))
        sizes.append(of_steps)
    starts = np.cumsum(np.concatenate(sizes)).astype(np.int32)
    arrays = {name: column.array() for name, column in dealt.items()}
    return DealtPlan(starts=starts, padded_steps=np.repeat(padded_steps, len(wanted)), **arrays)


def some_steps(step_starts: np.ndarray, start_step: int = 0) -> Iterator[tuple[int, int]]:
    """First step and end of those that have together about as many records as fit the cache."""
    edges = np.arange(step_starts[start_step], step_starts[-1], _RECORDS_AT_ONCE)
    bounds = np.unique([*np.searchsorted(step_starts, edges), len(step_starts) - 1])
    yield from itertools.pairwise(bounds.tolist())


def _dealt(
    lengths: np.ndarray, starts: np.ndarray, num_replicas: int, wanted: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Places in `lengths` of the rows of batches, -1 for one without a record, and their sizes."""
    replica = deal_batches(lengths, starts, num_replicas)
    place = np.full(num_replicas, -1)
    place[wanted] = np.arange(len(wanted))
    step = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    rows = np.flatnonzero(place[replica] >= 0)
    batch = step[rows] * len(wanted) + place[replica[rows]]
    sizes = np.bincount(batch, minlength=(len(starts) - 1) * len(wanted))
    rows = rows[stable_order(batch)]
    return _fill_empty_batches(rows, sizes), np.maximum(sizes, 1)


def deal_batch(lengths: np.ndarray, num_replicas: int) -> list[np.ndarray]:
    """Deals the rows of one global batch out.

    In rounds: the next longest rows, one a replica, the longest of them to the replica that has
    the fewest steps so far. So replicas differ by at most one row, and by at most as many valid
    steps as the longest row has.

    Args:
      lengths: [rows] valid steps.
      num_replicas: at least 1.

    Returns:
      Per replica the positions of its rows in `lengths`, ascending; empty where there are fewer
      rows than replicas.
    """
    lengths = np.asarray(lengths)
    replica = deal_batches(lengths, np.array([0, len(lengths)]), num_replicas)
    return [np.flatnonzero(replica == number) for number in range(num_replicas)]


def deal_batches(lengths: np.ndarray, starts: np.ndarray, num_replicas: int) -> np.ndarray:
    """Deals many global batches out, each as `deal_batch` does.

    Args:
      lengths: [rows] valid steps, batch after batch.
      starts: [batches + 1] where each batch begins.
      num_replicas: at least 1.

    Returns:
      [rows] int32, the replica of each row.

    Raises:
      UserError: `num_replicas` is below 1.
    """
    if num_replicas < 1:
        raise UserError(f"num_replicas is {num_replicas}; it must be at least 1.")
    if num_replicas == 1:
        return np.zeros(len(lengths), np.int32)
    sizes, lengths = np.diff(starts), lengths.astype(np.int64)
    batch = np.repeat(np.arange(len(sizes)), sizes)
    longest_first = stable_order(lengths.max(initial=0) - lengths)
    longest_first = longest_first[stable_order(batch[longest_first])]
    replica = np.zeros(len(lengths), np.int32)
    loads = np.zeros([len(sizes), num_replicas], np.int64)
    for dealt in range(0, int(sizes.max(initial=0)), num_replicas):
        unfinished = np.flatnonzero(sizes > dealt)
        place = dealt + np.arange(num_replicas) + np.zeros([len(unfinished), 1], np.int64)
        is_row = place < sizes[unfinished, None]
        rows = longest_first[(starts[unfinished, None] + place)[is_row]]
        least_loaded = np.argsort(loads[unfinished], axis=1, kind="stable")
        replica[rows] = least_loaded[is_row]
        loads[batch[rows], replica[rows]] += lengths[rows]  # Of each there is one row in a round.
    return replica


def _fill_empty_batches(records: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Gives each batch of size 0 one row that is no record."""
    return np.insert(records, (np.cumsum(sizes) - sizes)[sizes == 0], NO_RECORD)


def _check_dealing(
    plan: EpochPlan, num_replicas: int, wanted: Sequence[int], start_step: int
) -> None:
    if len(set(wanted)) < len(wanted) or not set(wanted) <= set(range(num_replicas)):
        raise ValueError(
            f"replicas are {list(wanted)}; they must be different numbers from 0 to "
            f"{num_replicas - 1}."
        )
    if not 0 <= start_step <= plan.num_steps:
        raise ValueError(
            f"start_step is {start_step}; the epoch has {plan.num_steps} steps, so it must be "
            f"from 0 to {plan.num_steps}."
        )

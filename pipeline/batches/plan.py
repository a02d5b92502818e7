"""The batch plan: which records form which global batch of an epoch, decided before any is read.

It depends on (lengths, options, seed, epoch) alone, so that every process computes the same one,
for any number of replicas, and a resumed run slices it.
"""

import dataclasses
from collections.abc import Iterable
from itertools import chain

import numpy as np

from pipeline.batches.boundaries import bucket_of, optimal_boundaries
from pipeline.batches.plan_blocks import MOST_AT_ONCE, Arrays, permutation_in_blocks, plan_in_blocks
from pipeline.batches.random_order import blocks, permutation, stable_order
from tfrecords_schema import LabelSpec, SplitIndex
from tfrecords_schema.errors import UserError
from tfrecords_schema.shared_arrays import joined_arrays

# Tell apart the random orders of an epoch.
_RECORDS, _BATCHES, _PARTNERS, _RUNS = 0, 1, 2, 3
_MOST = 2**31 - 1  # Steps are int32.


@dataclasses.dataclass(frozen=True)
class BatchOptions:
    """How an epoch is cut into global batches.

    Attributes:
      batch_size: most records of a global batch.
      batch_steps: most padded steps of a global batch; when given it decides the size of every
        batch, and `batch_size` is not used.
      num_buckets: most padded lengths, where `boundaries` is not given.
      boundaries: padded lengths in steps, ascending; None finds those with the least padding.
      align: boundaries that are found are multiples of this many steps.
      by_length: whether records of like length share a batch; else they meet at random, each batch
        padded to its longest, when an epoch is shuffled.
    """

    batch_size: int | None = 32
    batch_steps: int | None = None
    num_buckets: int = 8
    boundaries: tuple[int, ...] | None = None
    align: int = 1
    by_length: bool = True

    def __post_init__(self) -> None:
        if self.batch_size is None and self.batch_steps is None:
            raise UserError("batch_size and batch_steps are both None; give one of them.")
        for name in ("batch_size", "batch_steps", "num_buckets", "align"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= _MOST:
                limit = "at least 1" if value < 1 else f"at most {_MOST}"
                raise UserError(f"{name} is {value}; it must be {limit}.")
        given = self.boundaries
        if given is not None and (not given or given[0] < 1 or np.any(np.diff(given) <= 0)):
            raise UserError(f"boundaries are {given}; they must be positive and ascending.")
        if given and given[-1] > _MOST:
            raise UserError(f"boundaries are {given}; they must be at most {_MOST}.")

    def rows(self, padded_steps: np.ndarray) -> np.ndarray:
        """Most records of a global batch at each padded length: int64."""
        if self.batch_steps is None:
            return np.full(len(padded_steps), self.batch_size, np.int64)
        return np.maximum(self.batch_steps // padded_steps.astype(np.int64), 1)


@dataclasses.dataclass(frozen=True)
class EpochPlan:
    """The global batches of one epoch, at most 16 bytes a record.

    Attributes:
      records: [records] int32, row numbers of the split's index, batch after batch.
      step_starts: [num_steps + 1] int32, where in `records` each batch begins.
      padded_steps: [num_steps] int32, the length that all rows of a batch are padded to.
      valid_steps: steps of all records together.
      partners: [records] int32, row of the record that each is read with, 4 bytes more; or None.
    """

    records: np.ndarray
    step_starts: np.ndarray
    padded_steps: np.ndarray
    valid_steps: int
    partners: np.ndarray | None = None

    @property
    def num_steps(self) -> int:
        """Global batches of the epoch."""
        return len(self.padded_steps)

    @property
    def padding_share(self) -> float:
        """The part of all padded steps that is padding, in [0, 1)."""
        padded = np.diff(self.step_starts).astype(np.int64) @ self.padded_steps.astype(np.int64)
        return float(1 - self.valid_steps / padded)

    def rows(self, step: int) -> np.ndarray:
        """Row numbers of the records of global batch `step`: int32."""
        return self.records[self.step_starts[step] : self.step_starts[step + 1]]

    def rows_read(self, step: int) -> np.ndarray:
        """Row numbers of all records read for global batch `step`, partners last: int32."""
        if self.partners is None:
            return self.rows(step)
        partners = self.partners[self.step_starts[step] : self.step_starts[step + 1]]
        return np.concatenate([self.rows(step), partners])


def plan_lengths(index: SplitIndex, label: LabelSpec | None) -> np.ndarray:
    """Steps of each record for `plan_epoch`: those of the input, or of a sequence of labels.

    Where one step is followed by a sequence (an image by its caption), the label decides what a
    record costs; it is then what batches are bucketed and cut by.

    Args:
      index: of the split.
      label: what is predicted.

    Returns:
      [records] int32, all at least 1.
    """
    if not plans_labels(index, label):
        return index.steps
    return np.maximum(index.label_steps(), 1)


def plans_labels(index: SplitIndex, label: LabelSpec | None) -> bool:
    """Whether labels are sequences and every input is a single step."""
    return label is not None and label.per == "sequence" and bool((index.steps == 1).all())


def plan_epoch(
    steps: np.ndarray,
    options: BatchOptions,
    *,
    seed: int,
    epoch: int,
    shuffle: bool = True,
) -> EpochPlan:
    """Plans one epoch: every record is in exactly one global batch.

    The records are permuted and bucketed by length, and each bucket is cut into global batches.
    What remains of the buckets is sorted by length and cut into batches of its own; then the
    batches are put in random order. Of very many records each block is planned so by itself.

    Args:
      steps: [records] integer, steps of each record of the split.
      options: sizes and padded lengths of the batches.
      seed: any integer; with `epoch` it decides the order.
      epoch: number of the epoch.
      shuffle: False, as in evaluation, sorts records and batches by length instead.

    Raises:
      UserError: no records, a record without a step, a last boundary or `batch_steps` too small.
    """
    steps = np.asarray(steps)
    boundaries = require_plannable(steps, options)
    key = (seed, epoch) if shuffle else None
    if len(steps) <= MOST_AT_ONCE:
        return _plan_at_once(steps, boundaries, options, key)

    def plan_block(rows: np.ndarray, number: int) -> Arrays:
        plan = _plan_at_once(steps[rows], boundaries, options, key, number)
        return plan.records, plan.step_starts, plan.padded_steps

    arrays = plan_in_blocks(len(steps), plan_block, (*key, _RUNS) if key else ())
    return EpochPlan(*arrays, int(steps.sum(dtype=np.int64)))


def _plan_at_once(
    steps: np.ndarray,
    boundaries: np.ndarray,
    options: BatchOptions,
    key: tuple[int, int] | None,
    *block: int,
) -> EpochPlan:
    """Plans all records, or those of a block; shuffled, where there is a key."""
    if key and not options.by_length:
        return _at_random(permutation(len(steps), *key, _RECORDS, *block), steps, options)
    bucket = _buckets(steps, boundaries)
    counts = np.bincount(bucket, minlength=len(boundaries))
    if key:
        records = permutation(len(steps), *key, _RECORDS, *block, groups=bucket)
    else:
        records = _by_length(steps)
    del bucket
    records, sizes, padded_steps = _cut(records, counts, steps, boundaries, options)
    plan = EpochPlan(records, _starts(sizes), padded_steps, int(steps.sum(dtype=np.int64)))
    if key:
        return _reordered(plan, permutation(len(padded_steps), *key, _BATCHES, *block))
    return _reordered(plan, _by_length(padded_steps))


def epochs_are_alike(records: int, options: BatchOptions) -> bool:
    """Whether each epoch of so many records has as many batches as any other."""
    return records <= MOST_AT_ONCE and (options.by_length or options.batch_steps is None)


def require_plannable(steps: np.ndarray, options: BatchOptions) -> np.ndarray:
    """The boundaries for records of these lengths.

    Raises:
      UserError: `plan_epoch` would raise it.
    """
    boundaries = choose_boundaries(steps, options)
    if steps.min() < 1:
        row = int(steps.argmin())
        raise UserError(f"Record {row} has {steps[row]} steps; every record needs at least 1.")
    longest = int(steps.max())
    padded = int(boundaries[bucket_of(np.array([longest]), boundaries)][0])
    if options.batch_steps is not None and options.batch_steps < padded:
        raise UserError(
            f"batch_steps is {options.batch_steps}, but the longest record has {longest} steps, "
            f"padded to {padded}: set batch_steps to at least {padded}."
        )
    return boundaries


def with_partners(plan: EpochPlan, *, seed: int, epoch: int) -> EpochPlan:
    """The same plan of all records of a split, each with another one, or itself, as its partner.

    Which one depends on (seed, epoch, record) and the number of records alone, not on the batch.
    Every record is the partner of one.
    """
    count = len(plan.records)
    partners = permutation_in_blocks(count, seed, epoch, _PARTNERS)
    in_order = (partners[plan.records[block]] for block in blocks(count))
    return dataclasses.replace(plan, partners=joined_arrays(in_order, count, np.int32))


def choose_boundaries(steps: np.ndarray, options: BatchOptions) -> np.ndarray:
    """The padded lengths that `options` ask for, for records of these lengths: int32, ascending.

    They are the same in every epoch: `dataclasses.replace(options, boundaries=...)` keeps them.
    """
    if len(steps) == 0:
        raise UserError("The split has no records, so there is no epoch to plan.")
    if options.boundaries is not None:
        return np.array(options.boundaries, np.int32)
    return optimal_boundaries(steps, options.num_buckets, align=options.align)


def covering(options: BatchOptions, longest: int) -> BatchOptions:
    """Given boundaries, and one more where a split has longer records than they reach."""
    if not options.boundaries or options.boundaries[-1] >= longest:
        return options
    return dataclasses.replace(options, boundaries=(*options.boundaries, longest))


def _by_length(lengths: np.ndarray) -> np.ndarray:
    return stable_order(lengths).astype(np.int32)


def _buckets(steps: np.ndarray, boundaries: np.ndarray) -> np.ndarray:
    """The bucket of each record: uint16."""
    bucket = np.empty(len(steps), np.uint16)
    for block in blocks(len(steps)):
        bucket[block] = bucket_of(steps[block], boundaries)
    return bucket


def _cut(
    records: np.ndarray,
    counts: np.ndarray,
    steps: np.ndarray,
    boundaries: np.ndarray,
    options: BatchOptions,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cuts records, bucket after bucket of `counts`: their order, sizes, padded lengths; int32."""
    rows, ends = options.rows(boundaries), np.cumsum(counts)
    cuts = zip(ends - counts, ends - counts % rows, ends, strict=True)
    whole, left = zip(*((records[a:b], records[b:c]) for a, b, c in cuts), strict=True)
    left_over, left_sizes, left_padded = _cut_leftovers(
        np.concatenate(left), steps, boundaries, options
    )
    return (
        np.concatenate([*whole, left_over]),
        np.concatenate([np.repeat(rows, counts // rows), left_sizes]).astype(np.int32),
        np.concatenate([np.repeat(boundaries, counts // rows), left_padded]).astype(np.int32),
    )


def _at_random(order: np.ndarray, steps: np.ndarray, options: BatchOptions) -> EpochPlan:
    """Cuts records in `order` into batches, each padded to its longest record."""
    if options.batch_steps is None:
        sizes = _near_equal_sizes(len(order), options.batch_size or 1)
    else:
        lengths = (steps[order[block]].tolist() for block in blocks(len(order)))
        sizes = np.array(_fitting_sizes(chain.from_iterable(lengths), options.batch_steps))
    starts = _starts(sizes)
    padded = np.maximum.reduceat(steps[order], starts[:-1]).astype(np.int32)
    return EpochPlan(order, starts, padded, int(steps.sum(dtype=np.int64)))


def _fitting_sizes(steps: Iterable[int], budget: int) -> list[int]:
    """Fills one batch after the other, in the order given."""
    sizes, longest = [0], 0
    for length in steps:
        longest = max(longest, length)
        if longest * (sizes[-1] + 1) > budget and sizes[-1]:
            sizes.append(0)
            longest = length
        sizes[-1] += 1
    return sizes


def _cut_leftovers(
    left: np.ndarray, steps: np.ndarray, boundaries: np.ndarray, options: BatchOptions
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cuts what full batches left over, sorted by length, into batches of about equal cost."""
    left = left[np.argsort(steps[left], kind="stable")]
    if len(left) == 0:
        return left, np.zeros(0, np.int32), np.zeros(0, np.int32)
    padded = boundaries[bucket_of(steps[left], boundaries)].astype(np.int64)
    if options.batch_steps is None:
        sizes = _near_equal_sizes(len(left), options.batch_size or 1)
    else:
        sizes = _near_equal_costs(padded, options.batch_steps)
    return left, sizes, padded[np.cumsum(sizes) - 1]


def _near_equal_sizes(count: int, most: int) -> np.ndarray:
    """As few sizes of at most `most` as `count` needs, which differ by one at most."""
    batches = -(-count // most)
    return np.diff(np.arange(batches + 1) * count // batches)


def _near_equal_costs(padded: np.ndarray, budget: int) -> np.ndarray:
    """Sizes of as few batches as `budget` allows, cut at the least cost that needs no more.

    Args:
      padded: [records] padded steps of each record, ascending.
      budget: most padded steps of a batch.
    """
    fewest = len(_greedy_sizes(padded, budget))
    low, high = int(padded[-1]), budget
    while low < high:
        middle = (low + high) // 2
        if len(_greedy_sizes(padded, middle)) <= fewest:
            high = middle
        else:
            low = middle + 1
    return np.array(_greedy_sizes(padded, low))


def _greedy_sizes(padded: np.ndarray, budget: int) -> list[int]:
    """Fills batches from the longest record down, which gives the fewest; the shortest's first."""
    sizes, end = [], len(padded)
    while end:
        size = min(end, max(1, budget // int(padded[end - 1])))
        sizes.append(size)
        end -= size
    return sizes[::-1]


def _reordered(plan: EpochPlan, order: np.ndarray) -> EpochPlan:
    """The same batches in another order."""
    sizes = np.diff(plan.step_starts)[order]
    starts, begins = _starts(sizes), plan.step_starts[:-1][order]
    records = np.empty_like(plan.records)
    for block in blocks(len(order)):
        first, last = starts[block.start], starts[block.stop]
        moved_by = np.repeat(begins[block] - starts[block], sizes[block])
        records[first:last] = plan.records[np.arange(first, last, dtype=np.int32) + moved_by]
    return dataclasses.replace(
        plan, records=records, step_starts=starts, padded_steps=plan.padded_steps[order]
    )


def _starts(sizes: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)

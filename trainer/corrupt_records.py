"""Which record it is when a batch cannot be read.

The input pipeline reports rows of the index, or no place at all. Whoever has to repair the data
needs the shard, the record's id and the offset, so the records of the batch are read one by one.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from pipeline.plan import EpochPlan
from tfrecords_schema import DatasetError

if TYPE_CHECKING:
    from trainer.data import SplitData

_CORRUPT = (tf.errors.InvalidArgumentError, tf.errors.DataLossError, tf.errors.OutOfRangeError)


class NamingBatches:
    """Iterates over a plan's batches; names the record where one cannot be read."""

    def __init__(
        self, batches: Iterator[Any], split: "SplitData", plan: EpochPlan, start_step: int = 0
    ):
        self._batches, self._split, self._plan, self._step = batches, split, plan, start_step

    def __iter__(self) -> "NamingBatches":
        return self

    def __next__(self) -> Any:
        """The next batch.

        Raises:
          DatasetError: a record of it cannot be read, or is not what the index says.
        """
        try:
            batch = next(self._batches)
        except _CORRUPT as error:
            if self._step < self._plan.num_steps:
                raise_named(self._split, self._plan, self._step)
            raise error
        self._step += 1
        return batch


def raise_named(split: "SplitData", plan: EpochPlan, step: int) -> None:
    """Raises an error with the place of the first record of a batch that cannot be read, if any.

    Raises:
      DatasetError: there is one.
    """
    for row in plan.rows(step).tolist():
        try:
            for _ in split.read(plan_of_one(split, row)):
                pass
        except _CORRUPT as error:
            raise DatasetError(_message(split, row)) from error


def plan_of_one(split: "SplitData", row: int) -> EpochPlan:
    """A plan of one batch with one record."""
    steps = split.lengths[row : row + 1].astype(np.int32)
    starts = np.array([0, 1], np.int32)
    return EpochPlan(np.array([row], np.int32), starts, steps, int(steps[0]))


def _message(split: "SplitData", row: int) -> str:
    index, path = split.index, split.dataset.path
    shard = split.dataset.shard_paths(split.name)[index.shard[row]]
    return (
        f"{shard}: record {index.ids()[row]!r} at byte {index.offset[row]} (row {row} of split "
        f"{split.name!r}, from {index.sources()[row]}) is damaged, or not what the index says; run "
        f"`python -m pipeline.verify {path}`, then copy the shard again, or convert again"
    )

"""The steps of an epoch as they are planned, each with the records that it learns from."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pipeline.batches.plan import EpochPlan
from trainer.runs.checkpoints import TrainingState


class TrainingStep(NamedTuple):
    """One step of a training.

    Attributes:
      number: in its epoch, from 0.
      global_number: over all epochs, from 1.
      epoch: from 0.
      rows: of its records in the split's index.
      updates: whether the weights change, or the gradients are kept for the next update.
      is_last: whether it ends the epoch.
    """

    number: int
    global_number: int
    epoch: int
    rows: np.ndarray
    updates: bool
    is_last: bool


def steps_left(
    plan: EpochPlan, state: TrainingState, accumulate_batches: int
) -> Iterator[TrainingStep]:
    """The steps of an epoch that are still to be done.

    Args:
      plan: of the epoch.
      state: where the training stands before the first of them.
      accumulate_batches: so many batches make an update; what is left at the end makes one, too.
    """
    epoch, of_epochs_before = state.epoch, state.global_step - state.step
    for number in range(state.step, plan.num_steps):
        done = number + 1
        is_last = done == plan.num_steps
        updates = is_last or done % accumulate_batches == 0
        yield TrainingStep(
            number, of_epochs_before + done, epoch, plan.rows(number), updates, is_last
        )

"""The batches of one epoch after another; short epochs share an input pipeline."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.batches.plan import EpochPlan, with_partners
from trainer.data.split_data import SplitData

# Making an iterator and filling its pipeline takes as long as some ten small training steps. So
# one serves as many epochs as have this many steps together; it reads the next epoch meanwhile.
_MIN_STEPS = 100


class EpochStream:
    """Delivers the batches of the epochs of one training, in order."""

    def __init__(
        self, split: SplitData, strategy: tf.distribute.Strategy, *, seed: int, epochs: int
    ):
        """Prepares to read.

        Args:
          split: what to read.
          strategy: each element holds one batch per replica of it.
          seed: seed of the plans.
          epochs: number of epochs of the training; nothing is read ahead beyond the last.
        """
        self._split, self._strategy = split, strategy
        self._seed, self._epochs = seed, epochs
        self._ahead = range(0)  # Epochs that the iterator still has.
        self._open: tuple[Iterator[Any], Any]

    def plan(self, epoch: int) -> EpochPlan:
        """The plan of one epoch."""
        plan = self._split.plan(seed=self._seed, epoch=epoch)
        if not self._split.has_partners:
            return plan
        return with_partners(plan, seed=self._seed, epoch=epoch)

    def batches(self, epoch: int, start_step: int = 0) -> tuple[Iterator[Any], Any]:
        """Iterator that stands at a step of an epoch, and its element spec.

        The caller takes all batches of the epoch before it asks for the next one.
        """
        if start_step or not self._ahead or epoch != self._ahead[0]:
            plans = self._plans_from(epoch)
            self._ahead = range(epoch, epoch + len(plans))
            self._open = self._split.batches(joined(plans), self._strategy, start_step)
        self._ahead = self._ahead[1:]
        return self._open

    def _plans_from(self, epoch: int) -> list[EpochPlan]:
        plans = [self.plan(epoch)]
        steps = plans[0].num_steps
        while steps < _MIN_STEPS and epoch + len(plans) < self._epochs:
            plans.append(self.plan(epoch + len(plans)))
            steps += plans[-1].num_steps
        return plans


def joined(plans: Sequence[EpochPlan]) -> EpochPlan:
    """Several epochs as one plan, in which a record comes several times."""
    if len(plans) == 1:
        return plans[0]
    offsets = np.cumsum([0, *(len(plan.records) for plan in plans)])
    starts = [
        plan.step_starts[:-1] + offset for plan, offset in zip(plans, offsets[:-1], strict=True)
    ]
    partners = [plan.partners for plan in plans if plan.partners is not None]
    return EpochPlan(
        records=np.concatenate([plan.records for plan in plans]),
        step_starts=np.concatenate([*starts, offsets[-1:]]).astype(np.int32),
        padded_steps=np.concatenate([plan.padded_steps for plan in plans]),
        valid_steps=sum(plan.valid_steps for plan in plans),
        partners=np.concatenate(partners) if partners else None,
    )

"""What an epoch will look like: shapes, padding, memory, and the share of each replica."""

import dataclasses

import numpy as np

from pipeline.batches.boundaries import padding_share
from pipeline.batches.deal import deal_batches, some_steps
from pipeline.batches.plan import (
    BatchOptions,
    EpochPlan,
    choose_boundaries,
    covering,
    plan_epoch,
    plan_lengths,
    plans_labels,
)
from tfrecords_schema import Dataset


@dataclasses.dataclass(frozen=True)
class BatchShape:
    """Global batches of one shape.

    Attributes:
      shape: of the input tensor.
      batches: number of them in the epoch.
      padding_share: of their steps, in [0, 1).
      input_bytes: of one input tensor, in the dtype that is read.
    """

    shape: tuple[int, ...]
    batches: int
    padding_share: float
    input_bytes: int


@dataclasses.dataclass(frozen=True)
class EpochFacts:
    """The first epoch of a training with these options.

    Attributes:
      split: that is trained on.
      options: of the batches, with the boundaries that were chosen.
      seed: of the order.
      lengths: `[records]` steps that the plan is made by.
      plan: all batches.
      shapes: the shortest first.
      records: `[batches, replicas]` records that each replica gets.
      valid_steps: `[batches, replicas]` steps of those.
      buckets_padding_share: what it would be if every batch held records of one bucket.
      float32_bytes: of the largest input tensor as a model computes with it.
    """

    split: str
    options: BatchOptions
    seed: int
    lengths: np.ndarray
    plan: EpochPlan
    shapes: list[BatchShape]
    records: np.ndarray
    valid_steps: np.ndarray
    buckets_padding_share: float
    float32_bytes: int

    @property
    def largest(self) -> BatchShape:
        """The shape that takes most memory."""
        return max(self.shapes, key=lambda shape: shape.input_bytes)


def plan_facts(
    dataset: Dataset, split: str, options: BatchOptions, *, seed: int, replicas: int
) -> EpochFacts:
    """Plans the first epoch, exactly as a training with these options does.

    Args:
      dataset: the dataset.
      split: that is trained on.
      options: of the batches.
      seed: of the training.
      replicas: that share each global batch.

    Raises:
      UserError: the options do not suit the split.
      DatasetError: there is no such split, or it is empty.
    """
    index, label = dataset.split(split), dataset.schema.label
    lengths = plan_lengths(index, label)
    options = covering(options, int(lengths.max()))
    boundaries = tuple(choose_boundaries(lengths, options).tolist())
    options = dataclasses.replace(options, boundaries=boundaries)
    plan = plan_epoch(lengths, options, seed=seed, epoch=0)
    spec = dataset.schema.input
    records, valid_steps = _dealt(plan, lengths, replicas)
    valid, one_step = valid_steps.sum(1), plans_labels(index, label)
    shapes = _shapes(plan, valid, spec.step_shape, spec.dtype, one_step)
    values = max(int(np.prod(shape.shape)) for shape in shapes)
    return EpochFacts(
        split=split,
        options=options,
        seed=seed,
        lengths=lengths,
        plan=plan,
        shapes=shapes,
        records=records,
        valid_steps=valid_steps,
        buckets_padding_share=padding_share(lengths, np.array(boundaries)),
        float32_bytes=4 * values,
    )


def _shapes(
    plan: EpochPlan, valid: np.ndarray, step_shape: tuple[int, ...], dtype: str, one_step: bool
) -> list[BatchShape]:
    rows = np.diff(plan.step_starts).astype(np.int64)
    input_steps = np.ones_like(plan.padded_steps) if one_step else plan.padded_steps
    pairs = np.stack([input_steps, rows], axis=1)
    found, kind, batches = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    kind = kind.reshape(-1)  # NumPy 2.0 gives it a second axis.
    padding = 1 - np.bincount(kind, valid) / np.bincount(kind, rows * plan.padded_steps)
    shapes = [(size, steps, *step_shape) for steps, size in found.tolist()]
    return [
        BatchShape(shape, number, share, int(np.prod(shape)) * np.dtype(dtype).itemsize)
        for shape, number, share in zip(shapes, batches.tolist(), padding.tolist(), strict=True)
    ]


def _dealt(plan: EpochPlan, lengths: np.ndarray, replicas: int) -> list[np.ndarray]:
    """Records and valid steps of each replica in each batch: `[batches, replicas]`."""
    parts = []
    for first, end in some_steps(plan.step_starts):
        starts = plan.step_starts[first : end + 1]
        steps, shape = lengths[plan.records[starts[0] : starts[-1]]], (end - first, replicas)
        replica = deal_batches(steps, starts - starts[0], replicas)
        batch = np.repeat(np.arange(end - first), np.diff(starts))
        sums = (np.bincount(batch * replicas + replica, of, np.prod(shape)) for of in (None, steps))
        parts.append([values.astype(np.int64).reshape(shape) for values in sums])
    return [np.concatenate(part) for part in zip(*parts, strict=True)]

"""What a training step takes by the shape of its batch, and the size of batches that follows.

Its cost, time or memory, is a sum: for itself, for each record, for each step of the longest one (a
recurrence makes one after another), for each valid step, for each padded one, for records x
length^2 (attention), for records^2 x length (kernels that get slower with the size of a batch). No
factor is below 0; those of a model are fitted to steps of it that were measured.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from pipeline.batches.plan import BatchOptions, choose_boundaries, plan_epoch
from pipeline.batches.random_order import permutation

# A smaller batch is taken if it takes so little more: more updates learn more.
_TOLERANCE = 1.04
# From one size that is considered to the next.
_RATIO = 2**0.25
_LEAST_BATCHES = 10  # Of an epoch, as the rules have them: a tenth of the records in each.
_RECORDS = 50_000  # So many tell what an epoch takes.


class Shapes(NamedTuple):
    """The shapes of some batches, `[batches]` float64 each.

    Attributes:
      records: of a batch.
      padded: steps that each is padded to.
      valid: steps of all its records.
    """

    records: np.ndarray
    padded: np.ndarray
    valid: np.ndarray

    def terms(self) -> np.ndarray:
        """What its costs are proportional to: `[batches, terms]`."""
        records, padded, valid = self
        rows = records * padded
        columns = (
            np.ones_like(rows), records, padded, valid, rows, rows * padded, rows * records
        )  # fmt: skip
        return np.stack(columns, 1)

    def shared(self, replicas: int) -> "Shapes":
        """The part of the busiest of some replicas."""
        own = np.ceil(self.records / replicas)
        return Shapes(own, self.padded, self.valid * own / self.records)


class Cost(NamedTuple):
    """A cost that was fitted: seconds, or bytes.

    Attributes:
      factors: of the terms, none below 0.
      excess: how many times the fit what was measured is at most.
    """

    factors: np.ndarray
    excess: float

    def of(self, shapes: Shapes) -> np.ndarray:
        """What each batch costs: `[batches]`."""
        return shapes.terms() @ self.factors


def fit(shapes: Shapes, measured: np.ndarray) -> Cost:
    """The factors of least relative squared error.

    The best that has no factor below 0 is, on the terms that it uses, the best without that
    condition (Lawson and Hanson 1974, chapter 23): of so few terms all sets are tried. A set has at
    most half as many terms as were measured, as noise could tell more of them apart.

    Args:
      shapes: of the batches that were measured.
      measured: `[batches]`, above 0.
    """
    scale = shapes.terms().max(0)
    terms, ones = shapes.terms() / scale / measured[:, None], np.ones(len(measured))
    best, least = np.zeros(terms.shape[1]), math.inf
    for size in range(1, max(1, len(measured) // 2) + 1):
        for chosen in itertools.combinations(range(terms.shape[1]), size):
            own = terms[:, chosen]
            factors = np.linalg.lstsq(own, ones)[0]
            error = float(np.square(own @ factors - 1).sum())
            if factors.min() >= 0 and error < least:
                best, least = np.zeros(terms.shape[1]), error
                best[[*chosen]] = factors
    factors = best / scale
    return Cost(factors, float(np.max(measured / (shapes.terms() @ factors))))


@dataclasses.dataclass(frozen=True)
class Size:
    """A size of batches, and what an epoch of them is like.

    Attributes:
      batch_steps: most padded steps of a global batch.
      batches: of an epoch.
      secs: of an epoch, for each of its valid steps.
      peak_bytes: that its largest batch takes.
      largest: padded steps of the largest part of a batch that a replica has.
    """

    batch_steps: int
    batches: int
    secs: float
    peak_bytes: float
    largest: float


def sizes(
    lengths: np.ndarray,
    options: BatchOptions,
    least: int,
    secs: Callable[[Shapes], np.ndarray],
    peak_bytes: Callable[[Shapes], np.ndarray],
    replicas: int = 1,
) -> list[Size]:
    """Sizes of batches with what they cost, from the least to that of a tenth of an epoch.

    Args:
      lengths: `[records]`, steps of each record.
      options: of the plan, but for the size.
      least: padded steps of the longest record, the least size there is.
      secs: of a replica's part of each batch.
      peak_bytes: of each global batch.
      replicas: that share a batch.
    """
    bounds = tuple(choose_boundaries(lengths, options).tolist())
    some = lengths[np.sort(permutation(len(lengths), 0, 0)[:_RECORDS])]
    found: list[Size] = []
    while True:
        most = math.ceil(least * _RATIO ** len(found))
        sized = dataclasses.replace(options, batch_size=None, batch_steps=most, boundaries=bounds)
        plan = plan_epoch(some, sized, seed=0, epoch=0)
        batches = round(plan.num_steps * len(lengths) / len(some))
        if found and batches < _LEAST_BATCHES:
            return found
        records, padded = np.diff(plan.step_starts).astype(float), plan.padded_steps.astype(float)
        valid = np.add.reduceat(some[plan.records], plan.step_starts[:-1], dtype=float)
        own = Shapes(records, padded, valid).shared(replicas)
        # Batches of other epochs may have less padding.
        peak = peak_bytes(Shapes(records, padded, records * padded)).max()
        largest = (own.records * own.padded).max()
        secs_each = float(secs(own).sum() / valid.sum())
        found.append(Size(most, batches, secs_each, float(peak), float(largest)))


def choose(found: list[Size], most_bytes: float, most_largest: float) -> Size | None:
    """The least of the sizes that hardly cost more time than the best; None if none fits.

    Args:
      found: from the least up.
      most_bytes: that a batch may take.
      most_largest: a larger part of a replica is too far from what was measured, but for the least.
    """
    fitting = [size for size in found if size.peak_bytes <= most_bytes]
    fitting = [size for size in fitting if size.largest <= most_largest] or fitting[:1]
    best = min((size.secs for size in fitting), default=0.0)
    return next((size for size in fitting if size.secs <= _TOLERANCE * best), None)

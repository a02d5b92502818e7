"""What a metric declares: of what it is a figure, and from which sums it is formed.

A file of this room assigns one `Metric` to `METRIC`. Everything else takes it from there:
`--monitor` and its help, the figures of an epoch, an evaluation with its intervals, the report.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from tfrecords_schema.names import WIDER_KINDS

if TYPE_CHECKING:
    from trainer.metrics.ranking import Rankings


@dataclasses.dataclass(frozen=True)
class SparseSums:
    """Sums `[groups, rows, k]` most of which are 0, as the others.

    Attributes:
      shape: (groups, rows, k).
      group: `[cells]` integer, the group of each.
      place: `[cells]` integer, its place in `[rows, k]`, flat.
      value: `[cells]` float64.
    """

    shape: tuple[int, int, int]
    group: np.ndarray
    place: np.ndarray
    value: np.ndarray

    def weighted(self, weights: np.ndarray) -> np.ndarray:
        """Sums over all groups with weights `[..., groups]` of each: `[..., rows, k]`."""
        places = self.shape[1] * self.shape[2]
        rows = [
            np.bincount(self.place, self.value * row[self.group], places)
            for row in weights.reshape(-1, self.shape[0])
        ]
        return np.reshape(rows, (*weights.shape[:-1], *self.shape[1:]))

    def of(self, groups: np.ndarray) -> np.ndarray:
        """The sums of some groups, `[chosen groups, rows, k]`."""
        sums = np.zeros((len(groups), self.shape[1] * self.shape[2]))
        position = np.full(self.shape[0], -1)
        position[groups] = np.arange(len(groups))
        chosen = position[self.group] >= 0
        sums[position[self.group[chosen]], self.place[chosen]] = self.value[chosen]
        return sums.reshape(len(groups), *self.shape[1:])


class FromSums(Protocol):
    """A figure that follows from sums over labels, for many groups of them at once."""

    def sums(
        self, label: np.ndarray, prediction: np.ndarray, group: np.ndarray, groups: int
    ) -> np.ndarray | SparseSums:
        """The sums of each group, `[groups, rows, k]` float64; those of two together are added.

        Args:
          label: `[n]` integer classes, `[n, components]` float64 values, or `[n, classes]` of any
            number of classes: 1, 0, or -1 where that is not known.
          prediction: `[n, classes]` scores, or `[n, components]` values; of any number of classes
            those are stated whose score is above 0, unless it is of probabilities.
          group: `[n]` integer, number of each label's group.
          groups: number of groups.

        Returns:
          A row for each component of values; of classes as many rows as the metric needs.
        """

    def score(self, sums: np.ndarray) -> np.ndarray:
        """The figure, `[...]`, from sums `[..., rows, k]`."""


@dataclasses.dataclass(frozen=True)
class Metric:
    """A figure that says how good predictions are.

    Attributes:
      name: in `--monitor`, in tables and in files.
      label_kind: of the labels that it is for; see `LabelSpec.kind`.
      higher_is_better: else lower is.
      limits: the least and the greatest figure that there can be.
      place: where it stands among the metrics of its kind. The first is the headline: the one in
        the row of an epoch, and the one that groups are sorted by.
      epoch: what is measured on the batches of every epoch; None for nothing.
      evaluation: what is measured when training is done, with an interval; None for nothing.
      ranked: instead of it what does not follow from sums, but from how each class is ranked above
        the rest, a `Rankings`; NaN where nothing can be said. It has no interval.
      of_probabilities: whether `evaluation` reads the probabilities of classes themselves; else
        only which class is `chosen`, and that a threshold may have decided.
      title: above its column, where each component of values has a row; else its name.
      form: of the figures there; of those in the unit of the labels digits count, not places.
      also_for: other kinds of labels that it is for.
    """

    name: str
    label_kind: Literal["class", "value", "classes", "ordinal"]
    higher_is_better: bool
    limits: tuple[float, float] = (-math.inf, math.inf)
    place: int = 100
    epoch: "Mean | None" = None
    evaluation: FromSums | None = None
    ranked: "Callable[[Rankings], float] | None" = None
    of_probabilities: bool = False
    title: str = ""
    form: str = "{:.3f}"
    also_for: tuple[str, ...] = ()

    def is_for(self, label_kind: str) -> bool:
        """Whether it is for labels of this kind, or of the one that this is a case of."""
        kinds = {label_kind, WIDER_KINDS.get(label_kind)}
        return not kinds.isdisjoint((self.label_kind, *self.also_for))


@dataclasses.dataclass(frozen=True)
class Mean:
    """A mean over labels, and over the components of each; a `FromSums`, too.

    Attributes:
      pair: name of its weighted sum and sum of weights while they are added up, also in a
        checkpoint; means of the same share it.
      of: labels and predictions as in `FromSums.sums`, with any leading axes, to a value for each
        label or component. It gets NumPy arrays, or in a step float32 tensors, with logits for
        scores; operators do for both.
      finish: is applied to the mean.
    """

    pair: str
    of: Callable[[Any, Any], Any]
    finish: Callable[[Any], Any] = lambda mean: mean

    def sums(
        self, label: np.ndarray, prediction: np.ndarray, group: np.ndarray, groups: int
    ) -> np.ndarray:
        """Sum and number of the values, `[groups, components, 2]`."""
        values = np.asarray(self.of(label, prediction), np.float64).reshape(len(label), -1)
        return group_sums([values, np.ones_like(values)], group, groups)

    def score(self, sums: np.ndarray) -> np.ndarray:
        """The mean over all components."""
        return self.finish(ratio(*np.moveaxis(sums.sum(-2), -1, 0)))


def group_sums(columns: list[np.ndarray], group: np.ndarray, groups: int) -> np.ndarray:
    """Sums `[groups, rows, k]` of k columns `[n, rows]`, over the entries of each group."""
    flat = np.stack(columns, axis=-1).reshape(len(group), -1)
    sums = [np.bincount(group, column, groups) for column in flat.T]
    return np.stack(sums, -1).reshape(groups, columns[0].shape[1], len(columns))


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """`above / below`, 0 where `below` is 0."""
    return np.divide(above, below, out=np.zeros(np.shape(below)), where=np.asarray(below) != 0)


def chosen(scores: Any) -> Any:
    """The class with the highest score: `[...]` integer from `[..., classes]`."""
    if isinstance(scores, np.ndarray):
        return scores.argmax(-1)
    import tensorflow as tf  # In a step it is loaded already; help comes without it.

    return tf.argmax(scores, -1)


def all_of(values: Any) -> Any:
    """Whether all are true along the last axis: `[...]` bool."""
    if isinstance(values, np.ndarray):
        return values.all(-1)
    import tensorflow as tf

    return tf.reduce_all(values, -1)

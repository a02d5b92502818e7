"""Labels of every sample of a continuous signal, made into one label per window."""

import dataclasses

import numpy as np

from pipeline.console.errors import UsageError
from pipeline.sources.narrowing import narrowed

REDUCTIONS = ("auto", "majority", "mean", "last", "any", "share")


@dataclasses.dataclass(frozen=True)
class WindowLabels:
    """How the labels in a window become the label of the step that the window is.

    Attributes:
      samples: samples in a window.
      reduction: `majority` (of classes; of equally many, the one that comes first in the order of
        the classes), `mean` (of values), or `last` (the label of the window's last sample).
      keeps_tail: whether a last part of a window is a step, too (`--tail=pad`).
      is_shared: whether it is for those of several labels that it suits.
    """

    samples: int
    reduction: str = "auto"
    keeps_tail: bool = False
    is_shared: bool = False

    def of_kind(self, kind: str) -> "WindowLabels":
        """The same with the reduction decided.

        Args:
          kind: see `LabelSpec.kind`.

        Raises:
          UsageError: if labels of that kind cannot be reduced in this way.
        """
        is_other = self.reduction == ("majority" if kind == "value" else "mean")
        if self.reduction == "auto" or (is_other and self.is_shared):
            return dataclasses.replace(self, reduction="mean" if kind == "value" else "majority")
        if self.reduction in ("any", "share"):
            raise UsageError(
                f"--window_label={self.reduction} is for annotations and events; leave it out"
            )
        if is_other:
            other = "mean or last" if kind == "value" else "majority or last"
            raise UsageError(
                f"--window_label={self.reduction}: the labels are "
                f"{'values' if kind == 'value' else 'classes'}; use {other}"
            )
        return self

    @property
    def why(self) -> str:
        """What is done, for people."""
        text = {"majority": "commonest", "mean": "mean", "last": "last"}[self.reduction]
        return f"one per sample; a step has the {text} of its {self.samples}"

    def reduce(self, label: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
        """Reduces labels `[samples, ...]` to `[steps, ...]`; means are float32.

        Args:
          label: of the samples.
          known: `[samples]` bool, whose label is known, which alone count; of a window without any
            the result is not known, either. None for all. Of any number of classes, each by itself,
            `[samples, classes]`.
        """
        starts = np.arange(0, len(label), self.samples)
        ends = np.minimum(starts + self.samples, len(label))
        if not self.keeps_tail:
            starts, ends = (edge[: len(label) // self.samples] for edge in (starts, ends))
        if self.reduction == "last":
            return label[ends - 1]
        label = label[: ends[-1]]
        known = np.ones(len(label), bool) if known is None else known[: ends[-1]]
        if known.ndim == 2:
            pairs = zip(label.T, known.T, strict=True)
            return np.stack([_majority(*pair, self.samples) for pair in pairs], axis=-1)
        if self.reduction == "mean":
            wide = (-1,) + (1,) * (label.ndim - 1)
            given = np.where(known.reshape(wide), label, 0).astype(np.float64)
            sums = np.add.reduceat(given, starts, axis=0)
            counts = np.add.reduceat(known.astype(np.int64), starts).reshape(wide)
            missing = np.full(sums.shape, np.nan)
            means = np.divide(sums, counts, out=missing, where=counts > 0)
            return narrowed(means, "float32", "the label")
        return _majority(label.reshape(-1), known, self.samples)


def _majority(label: np.ndarray, known: np.ndarray, samples: int) -> np.ndarray:
    """The commonest label of each window; one that is not known only where all are."""
    classes, index = np.unique(label, return_inverse=True)
    window = np.arange(len(label)) // samples
    pairs, counts = np.unique(window * len(classes) + index.reshape(-1), return_counts=True)
    windows = pairs // len(classes)
    is_missing = np.zeros(len(classes), bool)
    is_missing[index.reshape(-1)[~known]] = True
    order = np.lexsort((pairs, -counts, is_missing[pairs % len(classes)], windows))
    first = np.unique(windows[order], return_index=True)[1]
    return classes[pairs[order][first] % len(classes)]

"""All metrics: every file of this room that declares one, in the order of their places."""

import functools
import math
from collections.abc import Iterable, Mapping, Sequence

from pipeline.console.rooms import files_of
from trainer import metrics
from trainer.metrics import of_kinds
from trainer.metrics.metric import FromSums, Mean, Metric

LOSS = "loss"
"""Name of what is minimized; it stands beside the metrics in every epoch."""


@functools.cache
def all_metrics() -> tuple[Metric, ...]:
    """The metrics of all kinds of labels.

    Raises:
      ValueError: two files declare one of the same name.
    """
    found: dict[str, tuple[str, Metric]] = {}
    for file, module in (*files_of(metrics), *files_of(of_kinds)):
        metric = getattr(module, "METRIC", None)
        if metric and (first := found.setdefault(metric.name, (file, metric))[0]) != file:
            raise ValueError(
                f"{first}.py and {file}.py both declare the metric {metric.name!r}; rename one"
            )
    declared = (metric for _, metric in found.values())
    return tuple(sorted(declared, key=lambda metric: (metric.place, metric.name)))


def epoch_means(label_kind: str | None = None) -> dict[str, Mean]:
    """By name what is measured in every epoch: for one kind of labels, or for all."""
    found = all_metrics() if label_kind is None else of_kind(label_kind)
    return {metric.name: metric.epoch for metric in found if metric.epoch}


def evaluated(label_kind: str) -> dict[str, FromSums]:
    """By name what is measured in an evaluation from sums, for one kind of labels."""
    return {metric.name: metric.evaluation for metric in of_kind(label_kind) if metric.evaluation}


def of_kind(label_kind: str) -> tuple[Metric, ...]:
    """The metrics of one kind of labels."""
    return tuple(metric for metric in all_metrics() if metric.is_for(label_kind))


def monitored(label_kind: str) -> tuple[str, ...]:
    """What `--monitor` takes for one kind of labels: the loss and every metric."""
    return (LOSS, *(metric.name for metric in of_kind(label_kind)))


def epoch_figures(pairs: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Turns the sums of an epoch into its figures.

    What has no weight at all is not a number: a loss of 0 would be the best there is.

    Args:
      pairs: the loss and `Mean.pair` to (weighted sum, sum of weights).
    """
    means = {name: pair[0] / pair[1] if pair[1] else math.nan for name, pair in pairs.items()}
    measured = {name: mean for name, mean in epoch_means().items() if mean.pair in means}
    figures = {name: float(mean.finish(means[mean.pair])) for name, mean in measured.items()}
    return {LOSS: means[LOSS], **figures}


def better_mode(name: str) -> str:
    """`max` for a metric of which more is better, `min` for others and for the loss."""
    return "max" if any(m.name == name and m.higher_is_better for m in all_metrics()) else "min"


def limits(name: str) -> tuple[float, float]:
    """The least and the greatest figure of a metric that there can be."""
    return next(metric.limits for metric in all_metrics() if metric.name == name)


def headline(names: Iterable[str]) -> str:
    """The metric among these names that people read first; if none is known, the first name."""
    given = [*names]
    return next((metric.name for metric in all_metrics() if metric.name in given), given[0])

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
OF_LABEL = "/"
"""Between the name of one of several labels and that of a metric of it."""


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
    """What `--monitor` takes for one kind of labels beside the loss: every metric."""
    return tuple(metric.name for metric in of_kind(label_kind))


def in_label(head: str, name: str) -> str:
    """A metric's name where it is that of one of several labels; as it is where there is one."""
    return f"{head}{OF_LABEL}{name}" if head else name


def apart(name: str) -> tuple[str, str]:
    """The inverse of `in_label`: the label, empty where there is one, and the metric."""
    head, _, metric = name.rpartition(OF_LABEL)
    return head, metric


def epoch_figures(pairs: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Turns the sums of an epoch into its figures.

    What has no weight at all is not a number: a loss of 0 would be the best there is.

    Args:
      pairs: the loss and `Mean.pair` to (weighted sum, sum of weights).
    """
    means = {name: pair[0] / pair[1] if pair[1] else math.nan for name, pair in pairs.items()}
    heads = dict.fromkeys(apart(pair)[0] for pair in means)
    figures = {
        in_label(head, name): float(mean.finish(means[in_label(head, mean.pair)]))
        for head in heads
        for name, mean in epoch_means().items()
        if in_label(head, mean.pair) in means
    }
    return {LOSS: means[LOSS], **figures}


def better_mode(name: str) -> str:
    """`max` for a metric of which more is better, `min` for others and for the loss."""
    _, name = apart(name)
    return "max" if any(m.name == name and m.higher_is_better for m in all_metrics()) else "min"


def limits(name: str) -> tuple[float, float]:
    """The least and the greatest figure of a metric that there can be."""
    return next(metric.limits for metric in all_metrics() if metric.name == apart(name)[1])


def headline(names: Iterable[str]) -> str:
    """The metric among these names that people read first; if none is known, the first name.

    Of several labels that of the first.
    """
    given = [*names]
    heads = dict.fromkeys(apart(name)[0] for name in given if name != LOSS)
    every = (in_label(head, metric.name) for head in heads for metric in all_metrics())
    return next((name for name in every if name in given), given[0])

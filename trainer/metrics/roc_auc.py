"""Area below sensitivity over false alarms, each class against the rest; the mean over classes."""

from trainer.metrics.metric import Metric

METRIC = Metric(
    "roc_auc", "class", higher_is_better=True, limits=(0.0, 1.0), place=7,
    ranked=lambda rankings: rankings.mean("roc_auc"), also_for=("classes",),
)  # fmt: skip

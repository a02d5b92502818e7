"""Share of right labels."""

from trainer.metrics.metric import Mean, Metric, chosen

_MEAN = Mean("accuracy", lambda label, scores: chosen(scores) == label)
METRIC = Metric(
    "accuracy", "class", higher_is_better=True, limits=(0.0, 1.0),
    place=0, epoch=_MEAN, evaluation=_MEAN,
)  # fmt: skip

"""Area below precision over recall, each class against the rest; the mean over classes.

The sum of precision times the step in recall, without interpolation.
"""

from trainer.metrics.metric import Metric

METRIC = Metric(
    "average_precision", "class", higher_is_better=True, limits=(0.0, 1.0), place=8,
    ranked=lambda rankings: rankings.mean("average_precision"), also_for=("classes",),
)  # fmt: skip

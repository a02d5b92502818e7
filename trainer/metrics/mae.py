"""Mean absolute error, over all components of all labels."""

import math

from trainer.metrics.metric import Mean, Metric

_MEAN = Mean("mae", lambda label, prediction: abs(label - prediction))
METRIC = Metric(
    "mae", "value", higher_is_better=False, limits=(0.0, math.inf),
    place=1, epoch=_MEAN, evaluation=_MEAN, title="MAE", form="{:.4g}",
)  # fmt: skip

"""Mean distance of the stated class from the true one, in ranks."""

import math

from trainer.metrics.metric import Mean, Metric, chosen

_MEAN = Mean("rank_mae", lambda label, scores: abs(label - chosen(scores)))
METRIC = Metric(
    "rank_mae", "ordinal", higher_is_better=False, limits=(0.0, math.inf),
    place=9, epoch=_MEAN, evaluation=_MEAN,
)  # fmt: skip

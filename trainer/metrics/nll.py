"""Mean negative log likelihood, in nats: -log of the probability of the true class.

Probabilities below the least that float32 has count as that.
"""

import math

import numpy as np

from trainer.metrics.metric import Mean, Metric
from trainer.metrics.probabilities import LEAST, of_label

_MEAN = Mean("nll", lambda label, scores: -np.log(np.maximum(of_label(label, scores), LEAST)))
METRIC = Metric(
    "nll", "class", higher_is_better=False, limits=(0.0, math.inf), place=4,
    evaluation=_MEAN, of_probabilities=True,
)  # fmt: skip

"""Mean squared error, over all components of all labels."""

import math
from typing import Any

from trainer.metrics.metric import Mean, Metric


def squared_error(label: Any, prediction: Any) -> Any:
    """Of each component."""
    error = label - prediction
    return error * error


_MEAN = Mean("mse", squared_error)
METRIC = Metric(
    "mse", "value", higher_is_better=False, limits=(0.0, math.inf), place=3, epoch=_MEAN
)

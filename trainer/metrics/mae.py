"""Mean absolute error, over all components of all labels."""

from typing import Any

from trainer.metrics.metric import Mean, Metric


def _absolute_error(label: Any, prediction: Any) -> Any:
    return abs(label - prediction)


_MEAN = Mean("mae", _absolute_error)
METRIC = Metric("mae", "value", higher_is_better=False, place=1, epoch=_MEAN, evaluation=_MEAN)

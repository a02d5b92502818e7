"""Share of right labels."""

from typing import Any

from trainer.metrics.metric import Mean, Metric, chosen


def _is_right(label: Any, scores: Any) -> Any:
    return chosen(scores) == label


_MEAN = Mean("accuracy", _is_right)
METRIC = Metric("accuracy", "class", higher_is_better=True, place=0, epoch=_MEAN, evaluation=_MEAN)

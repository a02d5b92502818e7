"""Share of labels of which every class is right, there or not; those not known count as right."""

from typing import Any

from trainer.metrics.metric import Mean, Metric, all_of


def _is_right(label: Any, scores: Any) -> Any:
    return all_of(((scores > 0) == (label > 0)) | (label < 0))


_MEAN = Mean("subset_accuracy", _is_right)
METRIC = Metric(
    "subset_accuracy", "classes", higher_is_better=True, limits=(0.0, 1.0),
    place=4, epoch=_MEAN, evaluation=_MEAN,
)  # fmt: skip

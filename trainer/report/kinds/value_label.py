"""Values: lines over time, scatters, errors over length and group."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from tfrecords_schema import Dataset
from trainer.evaluation.predictions import Predictions
from trainer.evaluation.value_figures import group_errors, record_errors
from trainer.report.over_time import OverTime
from trainer.report.report_figures import draw_lines, scatter
from trainer.report.shown_kind import ShownKind
from trainer.report.value_pictures import agreement_picture, error_by_group, error_over_length

_MOST_COMPONENTS = 4


class ValueLabel(ShownKind):
    """Labels are numbers or vectors."""

    def pictures(
        self, dataset: Dataset, split: str, evaluation: dict[str, Any], predictions: Predictions
    ) -> dict[str, str]:
        """See `ShownKind`."""
        prediction = predictions.prediction
        truth, index = predictions.label.reshape(prediction.shape), dataset.split(split)
        limits = evaluation.get("agreement", [])[:_MOST_COMPONENTS]
        pictures = {
            f"Bland-Altman plot of value {unit + 1}": agreement_picture(
                truth[:, unit], prediction[:, unit], found, f"value {unit + 1}"
            )
            for unit, found in enumerate(limits)
        }
        steps = index.steps[predictions.record]
        pictures["Error over the length of records"] = error_over_length(
            steps, record_errors(predictions)
        )
        pictures["Error by group"] = error_by_group(group_errors(predictions, index.groups()))
        return pictures

    def scatters(self, predictions: Predictions) -> list[str]:
        """See `ShownKind`."""
        prediction = predictions.prediction
        truth = predictions.label.reshape(prediction.shape)
        units = range(min(prediction.shape[1], _MOST_COMPONENTS))
        return [scatter(truth[:, one], prediction[:, one], f"value {one + 1}") for one in units]

    def draw(self, axes: Axes, edges: np.ndarray, found: OverTime) -> None:
        """See `ShownKind`."""
        draw_lines(axes, edges, found.prediction, found.truth, "value")

"""Any number of classes at once: probabilities as lines, curves of each, mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from tfrecords_schema import Dataset, LabelSpec
from trainer.evaluation.predictions import Predictions
from trainer.report.over_time import OverTime
from trainer.report.probability_pictures import curve_pictures
from trainer.report.report_figures import draw_lines
from trainer.report.shown_kind import ShownKind


class ClassesLabel(ShownKind):
    """Labels are `[n, classes]`: 1 where a class is there, 0 where not, -1 where nobody knows."""

    def pictures(
        self, dataset: Dataset, split: str, evaluation: dict[str, Any], predictions: Predictions
    ) -> dict[str, str]:
        """See `ShownKind`."""
        label = dataset.schema.label
        return curve_pictures(evaluation, predictions, label.class_names) if label else {}

    def mistakes(
        self, predictions: Predictions, label: LabelSpec, most: int
    ) -> list[tuple[int, str, str, float]]:
        """Classes that are stated and not there, or there and not stated, the surest first."""
        truth, stated, found = predictions.label, predictions.answers > 0, predictions.prediction
        wrong = np.argwhere((stated != (truth > 0)) & (truth >= 0))
        sureness = np.where(stated, found, 1 - found)[tuple(wrong.T)]
        order = np.argsort(-sureness, kind="stable")[:most]
        names = label.class_names
        return [
            (
                int(predictions.record[at]),
                names[number] if truth[at, number] > 0 else f"no {names[number]}",
                names[number] if stated[at, number] else f"no {names[number]}",
                float(sure),
            )
            for (at, number), sure in zip(wrong[order].tolist(), sureness[order], strict=True)
        ]

    def draw(self, axes: Axes, edges: np.ndarray, found: OverTime) -> None:
        """See `ShownKind`."""
        truth = None if found.truth is None else np.where(found.truth < 0, np.nan, found.truth)
        draw_lines(axes, edges, found.prediction, truth, "probability")
        axes.set_ylim(0, 1.02)

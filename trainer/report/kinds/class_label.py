"""One class out of several: probabilities as a band, curves, mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from pipeline.console.figures import CLASS_COLOURS
from tfrecords_schema import Dataset, LabelSpec
from trainer.evaluation.predictions import Predictions
from trainer.report.over_time import OverTime
from trainer.report.probability_pictures import curve_pictures, reliability_picture
from trainer.report.shown_kind import ShownKind

_MAX_CLASSES = 100


class ClassLabel(ShownKind):
    """Labels are class indices."""

    def pictures(
        self, dataset: Dataset, split: str, evaluation: dict[str, Any], predictions: Predictions
    ) -> dict[str, str]:
        """See `ShownKind`; of an evaluation by an earlier version there are none."""
        label = dataset.schema.label
        if label is None or "reliability" not in evaluation:
            return {}
        before = (evaluation.get("calibration") or {}).get("here", {}).get("reliability_before", ())
        return {
            "Reliability diagram": reliability_picture(evaluation["reliability"], before),
            **curve_pictures(evaluation, predictions, label.class_names),
        }

    def mistakes(
        self, predictions: Predictions, label: LabelSpec, most: int
    ) -> list[tuple[int, str, str, float]]:
        """See `ShownKind`."""
        chosen, names = predictions.answers, label.class_names
        sureness = predictions.prediction[np.arange(len(chosen)), chosen]
        wrong = np.flatnonzero(chosen != predictions.label)
        return [
            (
                int(predictions.record[at]),
                names[int(predictions.label[at])],
                names[int(chosen[at])],
                sureness[at],
            )
            for at in wrong[np.argsort(-sureness[wrong])][:most].tolist()
        ]

    def draw(self, axes: Axes, edges: np.ndarray, found: OverTime) -> None:
        """Probabilities as a stacked band; the true class as a strip above it.

        Of many classes those are drawn that are true or the likeliest, and white is left of the
        others.
        """
        shares = found.prediction / np.maximum(found.prediction.sum(1, keepdims=True), 1e-9)
        tops = np.cumsum(shares, 1)
        shown = np.arange(shares.shape[1])
        truth = np.zeros(0, int) if found.truth is None else found.truth
        if len(shown) > _MAX_CLASSES:
            likeliest = np.argsort(-shares.max(0), kind="stable")[:_MAX_CLASSES]
            shown = np.union1d(likeliest, np.unique(truth[truth >= 0])[:_MAX_CLASSES])
            tops = np.zeros_like(shares)
            tops[:, shown] = np.cumsum(shares[:, shown], 1)
        for number in shown.tolist():
            colour = CLASS_COLOURS[number % len(CLASS_COLOURS)]
            low = tops[:, number] - shares[:, number]
            axes.stairs(tops[:, number], edges, baseline=low, fill=True, color=colour)
            if found.truth is not None:
                is_true = np.where(truth == number, 1.2, 1.06)
                axes.stairs(is_true, edges, baseline=1.06, fill=True, color=colour)
        top, last = (1.0, (1.0, "1")) if found.truth is None else (1.2, (1.13, "true"))
        axes.set(ylim=(0, top), ylabel="probability")
        axes.set_yticks([0, 0.5, last[0]], ["0", "0.5", last[1]])

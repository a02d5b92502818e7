"""Values: errors of each component, limits of agreement, guesses of a mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfrecords_schema import LabelSpec
from trainer.data.split_data import SplitData
from trainer.evaluation.baselines import label_mean, last_value_baseline, mean_baseline
from trainer.evaluation.group_sums import one_group
from trainer.evaluation.predictions import Predictions
from trainer.evaluation.rows import Row
from trainer.evaluation.scored_kind import Details, ScoredKind
from trainer.evaluation.value_figures import agreement, differences, record_errors


class ValueLabel(ScoredKind):
    """Labels are numbers or vectors."""

    of_record = "rmse"

    def read(
        self, label: np.ndarray, prediction: np.ndarray, answer: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `ScoredKind`."""
        return label.reshape(prediction.shape).astype(np.float64), prediction

    def units(
        self, predictions: Predictions, label: LabelSpec
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """See `ScoredKind`."""
        sums = one_group(label.kind, predictions.label, predictions.prediction)
        return {"per_component": sums.per_component()}, {}

    def more(self, predictions: Predictions, label: LabelSpec) -> Details:
        """See `ScoredKind`."""
        return Details({}, {"agreement": agreement(differences(predictions))}, {})

    def baselines(
        self, truth: np.ndarray, split: SplitData, train: SplitData | None
    ) -> list[dict[str, Any]]:
        """See `ScoredKind`."""
        label = split.label
        assert label is not None
        found = [mean_baseline(truth.reshape(len(truth), -1), label_mean(train))] if train else []
        if label.per == "sequence" and label.shape == split.dataset.schema.input.step_shape:
            found.append(last_value_baseline(split, label))
        return sorted(found, key=lambda baseline: baseline["mae"])

    def columns(self, rows: Sequence[Row], label: LabelSpec) -> dict[str, Any]:
        """See `ScoredKind`."""
        return _means([row.output for row in rows], label, "prediction", np.float32)

    def label_columns(self, labels: Sequence[np.ndarray], label: LabelSpec) -> dict[str, Any]:
        """The mean of its values."""
        return _means(labels, label, "label", np.float64)

    def of_records(self, predictions: Predictions) -> np.ndarray:
        """See `ScoredKind`."""
        return record_errors(predictions)

    def certainty(self, predictions: Predictions) -> np.ndarray:
        """See `ScoredKind`."""
        return -record_errors(predictions)

    def described(
        self,
        truth: np.ndarray,
        answers: np.ndarray,
        certainty: float,
        figure: float,
        spec: LabelSpec,
    ) -> dict[str, Any]:
        """See `ScoredKind`."""
        return {"rmse": -certainty}


def _means(parts: Sequence[np.ndarray], label: LabelSpec, name: str, dtype: Any) -> dict[str, Any]:
    """The mean of the values of each record, a column for each component."""
    units = math.prod(label.shape)
    missing = np.full(units, np.nan, dtype)
    means = np.array(
        [np.reshape(part, (-1, units)).mean(0) if len(part) else missing for part in parts]
    )
    names = (name,) if units == 1 else tuple(f"{name}_{i + 1}" for i in range(units))
    return dict(zip(names, means.T, strict=True))

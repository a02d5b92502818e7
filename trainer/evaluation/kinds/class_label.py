"""One class out of several: confusions, rankings, probabilities, a threshold for one class."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfrecords_schema import LabelSpec
from trainer.data.split_data import SplitData
from trainer.evaluation.baselines import majority_baseline
from trainer.evaluation.calibration_figures import of_probabilities
from trainer.evaluation.class_figures import class_figures
from trainer.evaluation.predictions import Predictions
from trainer.evaluation.probability_figures import curve_figures, ranked_figures, reliability
from trainer.evaluation.rows import Row
from trainer.evaluation.scored_kind import MOST_COLUMNS, Details, ScoredKind
from trainer.evaluation.temperature import fit_temperature
from trainer.evaluation.threshold import choose_threshold
from trainer.metrics.ranking import Rankings
from trainer.options.reading import ReadingOptions
from trainer.runs.calibration import Calibration
from trainer.step.reading import Reading
from trainer.step.task import Task


class ClassLabel(ScoredKind):
    """Labels are class indices."""

    def read(
        self, label: np.ndarray, prediction: np.ndarray, answer: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores of which the highest is that of the answer."""
        if answer is None:
            return label, prediction
        other = np.flatnonzero(prediction.argmax(-1) != answer)
        if len(other):
            prediction = prediction.copy()
            prediction[other, answer[other]] = np.inf
        return label, prediction

    def decided(self, predictions: Predictions, reading: Reading) -> Predictions:
        """See `ScoredKind`: the class that a threshold states."""
        if reading.positive is None:
            return predictions
        answer = reading.answer(tf.constant(predictions.prediction)).numpy()
        return dataclasses.replace(predictions, answer=answer)

    def ranked(self, label: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
        """See `ScoredKind`."""
        return ranked_figures(Rankings(label, prediction), "class")

    def units(
        self, predictions: Predictions, label: LabelSpec
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """See `ScoredKind`."""
        return class_figures(predictions.label, predictions.answers, label.class_names)

    def more(self, predictions: Predictions, label: LabelSpec) -> Details:
        """See `ScoredKind`."""
        truth, prediction = predictions.label, predictions.prediction
        rankings = Rankings(truth, prediction)
        curves, arrays = curve_figures(rankings, label.class_names)
        listed = {"reliability": reliability(truth, prediction), "curves": curves}
        return Details(ranked_figures(rankings, "class"), listed, arrays)

    def baselines(
        self, truth: np.ndarray, split: SplitData, train: SplitData | None
    ) -> list[dict[str, Any]]:
        """See `ScoredKind`."""
        if train is None:
            return []
        assert split.label is not None
        label, counts = split.label, train.dataset.manifest.splits[train.name].class_counts
        of_each = [counts.get(name, 0) for name in label.class_names]
        return [majority_baseline(truth, of_each, label.kind)]

    def choose(
        self, found: Calibration, options: ReadingOptions, task: Task, predicted: Predictions
    ) -> Calibration:
        """A temperature, and a threshold for the positive class."""
        logits, label, split = predicted.prediction, predicted.label, found.split
        probabilities = task.predictions(tf.constant(logits)).numpy()
        if options.calibrate != "none":
            try:
                reading = Reading(fit_temperature(logits, label))
            except ValueError as error:
                found.notes.append(f"no temperature is fitted on split {split!r}: {error}")
            else:
                before = of_probabilities(label, probabilities)
                probabilities = reading.softmax(tf.constant(logits)).numpy()
                found = dataclasses.replace(
                    found, temperature=reading.temperature,
                    before=before, after=of_probabilities(label, probabilities),
                )  # fmt: skip
        if options.decide_by:
            number = task.label.class_names.index(options.positive_class)
            ranking = Rankings(label, probabilities).of(number)
            try:
                threshold, decision = choose_threshold(options.decide_by, ranking)
            except ValueError as error:
                found.notes.append(f"no threshold is chosen on split {split!r}: {error}")
            else:
                found = dataclasses.replace(found, threshold=threshold, decision=decision)
        return found

    def columns(self, rows: Sequence[Row], label: LabelSpec) -> dict[str, Any]:
        """See `ScoredKind`."""
        names = label.class_names
        if label.per == "record":
            prefix, table = "probability", np.concatenate([row.output for row in rows])
            stated = [row.classes for row in rows]
        else:
            prefix = "share"
            counts = [np.bincount(row.classes, minlength=len(names)) for row in rows]
            table = np.array([count / (count.sum() or np.nan) for count in counts], np.float32)
            stated = [share.argmax(keepdims=True)[np.isfinite(share[:1])] for share in table]
        chosen = [names[of[0]] if len(of) else None for of in stated]
        if len(names) > MOST_COLUMNS:
            at = [of[0] if len(of) else 0 for of in stated]  # What is not finite has no class.
            return {"prediction": chosen, prefix: table[np.arange(len(table)), at]}
        shares = {f"{prefix}_{name}": column for name, column in zip(names, table.T, strict=True)}
        return {"prediction": chosen, **shares}

    def said(self, row: Row, label: LabelSpec) -> Any:
        """See `ScoredKind`: names of classes."""
        return np.array([*label.class_names, ""])[row.stated]  # The last one is of -1.

    def arrays(self, rows: Sequence[Row]) -> dict[str, np.ndarray]:
        """See `ScoredKind`."""
        return {"class_index": np.concatenate([row.stated for row in rows]).astype(np.int32)}

    def label_columns(self, labels: Sequence[np.ndarray], label: LabelSpec) -> dict[str, Any]:
        """The commonest class."""
        names = label.class_names
        return {"label": [names[np.bincount(of).argmax()] if len(of) else None for of in labels]}

    def of_records(self, predictions: Predictions) -> np.ndarray:
        """See `ScoredKind`."""
        return predictions.means(predictions.answers == predictions.label)

    def certainty(self, predictions: Predictions) -> np.ndarray:
        """Mean probability of the true class."""
        at = np.arange(len(predictions.label))
        return predictions.means(predictions.prediction[at, predictions.label])

    def agreed(self, mean: np.ndarray, found: Sequence[Predictions]) -> np.ndarray | None:
        """Where thresholds decide, the class that most of them state."""
        if all(one.answer is None for one in found):
            return None
        votes, at = mean / 2, np.arange(len(mean))  # Of as many the likelier.
        for one in found:
            votes[at, one.answers] += 1
        return votes.argmax(-1)

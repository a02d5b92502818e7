"""Any number of classes at once: figures and thresholds of each, as if it were alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfrecords_schema import LabelSpec
from trainer.data.split_data import SplitData
from trainer.evaluation.group_sums import one_group, rows
from trainer.evaluation.predictions import Predictions
from trainer.evaluation.probability_figures import curve_figures, ranked_figures
from trainer.evaluation.rows import Row
from trainer.evaluation.scored_kind import MOST_COLUMNS, Details, ScoredKind
from trainer.evaluation.threshold import choose_threshold
from trainer.metrics.metric import ratio
from trainer.metrics.ranking import Ranking, Rankings
from trainer.options.reading import ReadingOptions
from trainer.runs.calibration import Calibration
from trainer.step.reading import Reading
from trainer.step.task import Task

SEPARATOR = ";"
"""Between the names of classes in a cell of a table."""


class ClassesLabel(ScoredKind):
    """Labels are `[n, classes]`: 1 where a class is there, 0 where not, -1 where nobody knows."""

    def decided(self, predictions: Predictions, reading: Reading) -> Predictions:
        """See `ScoredKind`: a class is stated from its threshold on."""
        present = reading.present(tf.constant(predictions.prediction)).numpy()
        return dataclasses.replace(predictions, answer=present.astype(np.int8))

    def read(
        self, label: np.ndarray, prediction: np.ndarray, answer: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores of which those above 0 are stated, as those of logits are."""
        stated = prediction >= 0.5 if answer is None else answer > 0
        return label, np.where(stated, np.int8(1), np.int8(-1))

    def ranked(self, label: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
        """See `ScoredKind`."""
        return ranked_figures(Rankings(label, prediction), "classes")

    def units(
        self, predictions: Predictions, label: LabelSpec
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Precision, recall, F1 and support of each class."""
        truth, stated = predictions.label, predictions.answers > 0
        right, wrong = (((truth == value) & stated).sum(0) for value in (1, 0))
        support = (truth == 1).sum(0)
        figures = {
            "precision": ratio(right, right + wrong),
            "recall": ratio(right, support),
            "f1": ratio(2 * right, right + wrong + support),
            "support": support,
        }
        listed = {"per_class": dict(zip(label.class_names, rows(figures), strict=True))}
        return {**listed, "class_names": [*label.class_names]}, {}

    def more(self, predictions: Predictions, label: LabelSpec) -> Details:
        """Areas below the curves of each class."""
        rankings = Rankings(predictions.label, predictions.prediction)
        curves, arrays = curve_figures(rankings, label.class_names)
        return Details(ranked_figures(rankings, "classes"), {"curves": curves}, arrays)

    def baselines(
        self, truth: np.ndarray, split: SplitData, train: SplitData | None
    ) -> list[dict[str, Any]]:
        """Always stating the classes that more than half of the training's labels have."""
        if train is None:
            return []
        assert split.label is not None
        entry = train.dataset.manifest.splits[train.name]
        labels = max(train.known_labels(), 1)
        shares = [entry.class_counts.get(name, 0) / labels for name in split.label.class_names]
        answers = np.broadcast_to(np.array(shares), truth.shape)
        sums = one_group(split.label.kind, truth, answers)
        return [{"name": "commonest classes", **sums.total()}]

    def choose(
        self, found: Calibration, options: ReadingOptions, task: Task, predicted: Predictions
    ) -> Calibration:
        """A threshold for each class that the split has with and without."""
        probabilities = task.predictions(tf.constant(predicted.prediction)).numpy()
        rankings, split = Rankings(predicted.label, probabilities), found.split
        for number, name in enumerate(task.label.class_names):
            ranking = rankings.of(number)
            try:
                threshold, _ = choose_threshold(options.decide_by, ranking)
            except ValueError as error:
                found.notes.append(
                    f"the threshold of class {name} stays 0.5, of split {split!r}: {error}"
                )
            else:
                found.thresholds[name] = _between(threshold, ranking)
        return found

    def columns(self, rows: Sequence[Row], label: LabelSpec) -> dict[str, Any]:
        """See `ScoredKind`: per record names and probabilities, else shares of the steps."""
        names = label.class_names
        prefix = "probability" if label.per == "record" else "share"
        found = [row.output if label.per == "record" else row.classes > 0 for row in rows]
        missing = np.full(len(names), np.nan)
        table = np.array([part.mean(0) if len(part) else missing for part in found], np.float32)
        chosen = [_names(row.classes, names) for row in rows]
        if len(names) > MOST_COLUMNS:
            return {"prediction": chosen}
        shares = {f"{prefix}_{name}": column for name, column in zip(names, table.T, strict=True)}
        return {"prediction": chosen, **shares}

    def said(self, row: Row, label: LabelSpec) -> Any:
        """See `ScoredKind`: a tuple of names of each; None where that is not known."""
        found = np.empty(len(row.stated), object)
        for at, stated in enumerate(row.stated):
            names = (label.class_names[one] for one in np.flatnonzero(stated > 0).tolist())
            found[at] = None if (stated < 0).all() else tuple(names)
        return found

    def arrays(self, rows: Sequence[Row]) -> dict[str, np.ndarray]:
        """See `ScoredKind`."""
        return {"present": np.concatenate([row.stated for row in rows]).astype(np.int8)}

    def label_columns(self, labels: Sequence[np.ndarray], label: LabelSpec) -> dict[str, Any]:
        """The classes that at least half of its labels have."""
        return {"label": [_names(of, label.class_names) for of in labels]}

    def of_records(self, predictions: Predictions) -> np.ndarray:
        """The share of labels of which every class that is known is right."""
        is_right = (predictions.answers > 0) == (predictions.label > 0)
        return predictions.means((is_right | (predictions.label < 0)).all(-1))

    def certainty(self, predictions: Predictions) -> np.ndarray:
        """Mean probability of what is true of each class, over those that are known."""
        truth, found = predictions.label, predictions.prediction
        of_truth = np.where(truth > 0, found, 1 - found) * (truth >= 0)
        return predictions.means(of_truth.sum(-1) / np.maximum((truth >= 0).sum(-1), 1))

    def agreed(self, mean: np.ndarray, found: Sequence[Predictions]) -> np.ndarray | None:
        """The classes that more than half of them state; of as many those with the greater mean."""
        votes = np.mean([one.answers > 0 for one in found], axis=0)
        return ((votes > 0.5) | ((votes == 0.5) & (mean >= 0.5))).astype(np.int8)


def _between(threshold: float, ranking: Ranking) -> float:
    """Halfway to the next probability below, which states as much and is less of a chance."""
    below = ranking.least[ranking.least < threshold]
    halfway = np.float32((threshold + float(below.max(initial=0))) / 2)
    return float(halfway) if not len(below) or halfway > below.max() else threshold


def _names(labels: np.ndarray, names: Sequence[str]) -> str | None:
    """The classes of at least half of the labels `[n, classes]`, in a cell; None without any."""
    if not len(labels):
        return None
    is_common = 2 * (labels > 0).sum(0) >= len(labels)
    return SEPARATOR.join(names[number] for number in np.flatnonzero(is_common).tolist())

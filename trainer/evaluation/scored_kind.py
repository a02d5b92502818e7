"""What evaluations, tables of predictions and studies know of one kind of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from tfrecords_schema import LabelSpec
from trainer.data.split_data import SplitData
from trainer.evaluation.predictions import Predictions
from trainer.evaluation.rows import Row
from trainer.options.reading import ReadingOptions
from trainer.runs.calibration import Calibration
from trainer.step.reading import Reading
from trainer.step.task import Task

MOST_COLUMNS = 1_000
"""Of more classes a table has no column for each."""


class Details(NamedTuple):
    """What an evaluation has beside the metrics that follow from sums.

    Attributes:
      figures: more metrics.
      listed: what JSON can hold.
      arrays: what is left out of that by its size.
    """

    figures: dict[str, float]
    listed: dict[str, Any]
    arrays: dict[str, np.ndarray]


class ScoredKind:
    """One kind of labels; each file of `kinds/` is one. The defaults are those of classes.

    Attributes:
      of_record: name of the figure that a table gives of a record.
    """

    of_record: ClassVar[str] = "right_share"

    def read(
        self, label: np.ndarray, prediction: np.ndarray, answer: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Labels and predictions as `FromSums.sums` takes them.

        Args:
          label: `[n, ...]`.
          prediction: `[n, units]`.
          answer: `[n, ...]` what is stated, if not what is likeliest.
        """
        raise NotImplementedError

    def decided(self, predictions: Predictions, reading: Reading) -> Predictions:
        """The same with what is stated, where that is not what is likeliest."""
        return predictions

    def ranked(self, label: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
        """The metrics that follow from rankings, where they can be told."""
        return {}

    def units(
        self, predictions: Predictions, label: LabelSpec
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Figures of each class or component, and as arrays what is left out by its size."""
        raise NotImplementedError

    def more(self, predictions: Predictions, label: LabelSpec) -> Details:
        """What else is said of a split."""
        raise NotImplementedError

    def baselines(
        self, truth: np.ndarray, split: SplitData, train: SplitData | None
    ) -> list[dict[str, Any]]:
        """Names and figures of guesses, the best first.

        Args:
          truth: `[n, ...]` all labels of the split.
          split: what is evaluated.
          train: the training split; without it what needs it is left out.
        """
        raise NotImplementedError

    def choose(
        self, found: Calibration, options: ReadingOptions, task: Task, predicted: Predictions
    ) -> Calibration:
        """What is chosen on a split, added to `found`; see `calibrate`.

        Args:
          found: says on which split, for which weights.
          options: what to choose.
          task: how outputs become predictions.
          predicted: with logits in the place of probabilities.
        """
        raise NotImplementedError

    def columns(self, rows: Sequence[Row], label: LabelSpec) -> dict[str, Any]:
        """Columns of the table of predictions; see `write_predictions`."""
        raise NotImplementedError

    def said(self, row: Row, label: LabelSpec) -> Any:
        """What `Run.predict` answers of each label of a record, `[labels, ...]`."""
        return row.output

    def arrays(self, rows: Sequence[Row]) -> dict[str, np.ndarray]:
        """What the npz file beside the table has of all labels but their outputs."""
        return {}

    def label_columns(self, labels: Sequence[np.ndarray], label: LabelSpec) -> dict[str, Any]:
        """Columns with one label for each record, of all its labels."""
        raise NotImplementedError

    def of_records(self, predictions: Predictions) -> np.ndarray:
        """`[records]`: the figure `of_record` of each; NaN where none of its labels is known."""
        raise NotImplementedError

    def certainty(self, predictions: Predictions) -> np.ndarray:
        """`[records]`: how near to the truth a prediction is; more is nearer."""
        raise NotImplementedError

    def described(
        self,
        truth: np.ndarray,
        answers: np.ndarray,
        certainty: float,
        figure: float,
        spec: LabelSpec,
    ) -> dict[str, Any]:
        """A record in a table of the worst.

        Args:
          truth: all its labels.
          answers: what is stated of them.
          certainty: see there.
          figure: mean of `of_records` over models.
          spec: of the label.
        """
        true, predicted = self.label_columns([truth, answers], spec)["label"]
        of_true = {"probability_of_true": certainty, self.of_record: figure}
        return {"true": true, "predicted": predicted, **of_true}

    def agreed(self, mean: np.ndarray, found: Sequence[Predictions]) -> np.ndarray | None:
        """What most of several models state, where anything but their mean prediction says it."""
        return None

"""What pages show of one kind of labels; each file of `kinds/` is one."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from tfrecords_schema import Dataset, LabelSpec
from trainer.evaluation.predictions import Predictions
from trainer.report.over_time import OverTime


class ShownKind:
    """One kind of labels."""

    def pictures(
        self, dataset: Dataset, split: str, evaluation: dict[str, Any], predictions: Predictions
    ) -> dict[str, str]:
        """See `split_pictures`; there are labels."""
        raise NotImplementedError

    def scatters(self, predictions: Predictions) -> list[str]:
        """Pictures of predictions over the truth."""
        return []

    def mistakes(
        self, predictions: Predictions, label: LabelSpec, most: int
    ) -> list[tuple[int, str, str, float]]:
        """Records with a wrong answer, the surest first.

        Returns:
          Row in the split's index, what is true, what is predicted, and its probability.
        """
        return []

    def draw(self, axes: Axes, edges: np.ndarray, found: OverTime) -> None:
        """Draws predictions over time, and the truth; see `draw_prediction`."""
        raise NotImplementedError

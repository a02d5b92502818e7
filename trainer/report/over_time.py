"""What is predicted of a recording as it goes on."""

from typing import NamedTuple

import numpy as np


class OverTime(NamedTuple):
    """What is predicted of a recording as it goes on.

    Attributes:
      steps: `[points]` after so many steps, in order: where the stretch that a prediction is about
        ends, or how much of the recording it has seen.
      truth: `[points]` true classes, or `[points, ...]` true values; None if they are not known.
      prediction: `[points, units]` probabilities or values.
      answer: `[points, ...]` what is stated; None: the likeliest.
    """

    steps: np.ndarray
    truth: np.ndarray | None
    prediction: np.ndarray
    answer: np.ndarray | None = None

    @property
    def answers(self) -> np.ndarray:
        """`[points, ...]` what is stated."""
        return self.prediction.argmax(-1) if self.answer is None else self.answer

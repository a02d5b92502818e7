"""The prediction of one record, before it is written into tables."""

from typing import NamedTuple

import numpy as np


class Row(NamedTuple):
    """The prediction of one record.

    Attributes:
      order: what records are sorted by.
      id: id of the record.
      source: its path, relative to the input folder.
      steps: number of its steps.
      output: `[valid, units]` float32, probabilities or values.
      answer: `[valid, ...]` what is stated of each, where that is a class; None: the likeliest.
    """

    order: int
    id: str
    source: str
    steps: int
    output: np.ndarray
    answer: np.ndarray | None = None

    @property
    def stated(self) -> np.ndarray:
        """`[valid, ...]` what is stated of each label."""
        return self.output.argmax(-1) if self.answer is None else self.answer

    @property
    def classes(self) -> np.ndarray:
        """`[known, ...]` what is stated of each label whose probabilities are finite."""
        return self.stated[np.isfinite(self.output).all(-1)]

"""Where the seconds of an epoch go."""

import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np


class Timing:
    """Where the seconds of an epoch go.

    Steps are steady that neither begin the epoch, which fills the input pipeline, nor compile.

    Args:
      most_secs: that are left to the training.

    Attributes:
      train_secs: all seconds in training steps and waiting for their input.
    """

    def __init__(self, most_secs: float = math.inf):
        self.train_secs = 0.0
        self._most_secs = most_secs
        self._valid_steps = self._steps = 0
        self._steady_secs = self._steady_wait_secs = 0.0
        self._steady_valid_steps = 0
        self._compiled_secs, self._compiled_steps = 0.0, 0
        self._step_started = self._input_came = 0.0

    def left_secs(self, steps: int) -> float | None:
        """What so many more training steps take, at most what is left to the training.

        None while all steps so far have compiled.
        """
        known_steps = self._steps - self._compiled_steps
        if known_steps == 0 and steps > 0:
            return None
        needed = steps * (self.train_secs - self._compiled_secs) / max(known_steps, 1)
        return min(needed, max(0.0, self._most_secs - self.train_secs))

    @property
    def valid_steps_per_sec(self) -> float:
        """Valid time steps trained on per steady second; of all, where no step was steady."""
        if self._steady_secs > 0:
            return self._steady_valid_steps / self._steady_secs
        return self._valid_steps / max(self.train_secs, 1e-9)

    @property
    def input_wait_share(self) -> float:
        """Share of the steady seconds that passed waiting for input; 0 where no step was steady."""
        return self._steady_wait_secs / max(self._steady_secs, 1e-9)

    def wait_for(self, batches: Iterator[Any]) -> Any:
        """Takes the next batch; a step begins with waiting for it."""
        self._step_started = time.monotonic()
        batch = next(batches)
        self._input_came = time.monotonic()
        return batch

    def count(self, lengths: np.ndarray, *, compiled: bool) -> None:
        """Ends a step.

        Args:
          lengths: valid time steps of each record of the batch.
          compiled: whether the step had to be traced or compiled first.
        """
        secs, valid_steps = time.monotonic() - self._step_started, int(lengths.sum(dtype=np.int64))
        if self._steps and not compiled:
            self._steady_secs += secs
            self._steady_wait_secs += self._input_came - self._step_started
            self._steady_valid_steps += valid_steps
        if compiled:
            self._compiled_secs += secs
            self._compiled_steps += 1
        self.train_secs += secs
        self._valid_steps += valid_steps
        self._steps += 1

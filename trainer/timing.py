"""Where the seconds of an epoch go."""

import time
from collections.abc import Iterator
from typing import Any


class Timing:
    """Where the seconds of an epoch go.

    Attributes:
      train_secs: all seconds in training steps and waiting for their input.
      steady_secs: the same without the first step, which traces and fills the pipeline.
      wait_secs: of the steady seconds, those waiting for input.
      valid_steps: valid time steps trained on in the steady seconds.
    """

    def __init__(self) -> None:
        self.train_secs = self.steady_secs = self.wait_secs = 0.0
        self.valid_steps = 0
        self._calls = 0
        self._step_started = 0.0

    @property
    def epoch_secs(self) -> float:
        """What another epoch of as many steps would take, without tracing."""
        return (
            self.steady_secs * self._calls / (self._calls - 1)
            if self._calls > 1
            else self.train_secs
        )

    @property
    def valid_steps_per_sec(self) -> float:
        """Valid steps trained on per second; of an epoch of one step there is no steady part."""
        return self.valid_steps / max(self.steady_secs or self.train_secs, 1e-9)

    def wait_for(self, batches: Iterator[Any]) -> Any:
        """Takes the next batch; a step begins with waiting for it."""
        self._step_started = time.monotonic()
        batch = next(batches)
        if self._calls:
            self.wait_secs += time.monotonic() - self._step_started
        return batch

    def count(self, valid_steps: int) -> None:
        """Ends a step that trained on so many valid time steps."""
        secs = time.monotonic() - self._step_started
        self.train_secs += secs
        if self._calls:
            self.steady_secs += secs
        if self._calls == 1:
            self.valid_steps = 0  # those of the first step, kept for an epoch of one step
        self.valid_steps += valid_steps
        self._calls += 1

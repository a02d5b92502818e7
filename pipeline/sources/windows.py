"""Options of kinds of raw folders whose signals may be continuous: these are cut in windows."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.console.options import option
from pipeline.sources.options import ConvertOptions
from pipeline.sources.window_labels import REDUCTIONS, WindowLabels
from tfrecords_schema.left_out import LeftOut


def _as_rate(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        cure = "; rates of several signals are --signal_rates_hz" if "," in text else ""
        raise ValueError(f"expected a number{cure}") from None


@dataclasses.dataclass(frozen=True)
class WindowOptions(ConvertOptions):
    """Windows of continuous signals."""

    window_samples: int | None = option(
        None, "Cut continuous signals in such steps.", positive=True, common=True
    )
    sample_rate_hz: float | None = option(
        None,
        "Of the signals: for --window_secs, plots in seconds, and models of sound.",
        positive=True,
        common=True,
        parse=_as_rate,
    )
    window_secs: float | None = option(
        None, "Length of a step; needs --sample_rate_hz.", common=True
    )
    tail: str = option("drop", "What to do with a part of a window.", ("drop", "pad"))
    window_label: str = option(
        "auto",
        "From labels of every sample to the label of a window; auto: majority of classes, mean of "
        "values. Of annotations and events also any: no class only where no sample has one; and "
        "share: for each of --class_names a value, the share of the samples that have it.",
        REDUCTIONS,
    )

    def check(self) -> None:
        """See `Options`."""
        has_window = self.window_samples is not None or self.window_secs is not None
        needs_window = {"window_label": self.window_label != "auto", "tail": self.tail != "drop"}
        for name, needs in needs_window.items():
            if needs and not has_window:
                raise UsageError(
                    f"--{name}={getattr(self, name)} is for continuous signals; add "
                    "--window_samples, or --sample_rate_hz with --window_secs"
                )
        if self.window_secs is not None:
            if self.rate_hz is None:
                raise UsageError("--window_secs needs --sample_rate_hz; give both, or neither")
            if self.window_samples is not None:
                raise UsageError("give --window_samples or --window_secs, not both")
            _require_samples(self.rate_hz, self.window_secs)
        super().check()

    @property
    def rate_hz(self) -> float | None:
        """Samples per second of what is cut, or None if no flag says it."""
        return self.sample_rate_hz

    @property
    def window(self) -> int | None:
        """Samples per step, or None if the signals have a time axis of steps already."""
        if self.window_samples is not None or self.window_secs is None:
            return self.window_samples
        assert self.rate_hz is not None
        return round(self.rate_hz * self.window_secs)

    def steps(self, samples: int, name: str = "it", hint: str = "") -> int:
        """Number of windows in so many samples; that there are windows is known.

        Args:
          samples: of one recording.
          name: what has them, for the message.
          hint: what else may be done.

        Raises:
          RejectedInputError: if there is none.
        """
        assert self.window is not None
        steps = -(-samples // self.window) if self.tail == "pad" else samples // self.window
        if not steps:
            raise RejectedInputError(
                f"{name} has {samples} samples, shorter than one window of {self.window}; use "
                f"--tail=pad, a shorter window, or remove it{hint}"
            )
        return steps

    def padding(self, samples: int) -> int:
        """Samples that fill the last window of so many."""
        return -samples % self.window if self.window and self.tail == "pad" else 0

    def dropped(self, samples: int, steps: int) -> tuple[LeftOut, ...]:
        """What is said of the samples of a recording that are behind its last whole window."""
        window = self.window
        dropped = samples - steps * window if window else 0
        why = f"at the ends of recordings, less than a window of {window}; --tail=pad keeps them"
        return (LeftOut("sample", why, dropped),) if dropped > 0 else ()

    @property
    def window_labels(self) -> WindowLabels | None:
        """See `ConvertOptions`."""
        if not self.window:
            return None
        return WindowLabels(self.window, self.window_label, keeps_tail=self.tail == "pad")


def cut_in_windows(signal: np.ndarray, steps: int, samples: int) -> np.ndarray:
    """Cuts a continuous signal `[samples, ...]` in steps `[steps, samples, ...]`.

    What a last step lacks is 0; what is left over is dropped.
    """
    signal = signal[: steps * samples]
    if missing := steps * samples - len(signal):
        signal = np.pad(signal, [(0, missing)] + [(0, 0)] * (signal.ndim - 1))
    return signal.reshape((steps, samples, *signal.shape[1:]))


def recorded_window(options: Mapping[str, Any]) -> tuple[bool, float | None]:
    """Whether options that a manifest records cut continuous signals, and the rate of those, Hz."""
    is_cut = bool(options.get("window_samples") or options.get("window_secs"))
    return is_cut, options.get("sample_rate_hz")


def _require_samples(rate_hz: float, secs: float) -> None:
    samples = rate_hz * secs
    is_positive = rate_hz > 0 and secs > 0 and math.isfinite(samples) and round(samples) >= 1
    if not is_positive or abs(samples - round(samples)) > 1e-6:
        raise UsageError(
            f"--sample_rate_hz={rate_hz:g} with --window_secs={secs:g} is a window of {samples:g} "
            "samples; it must be a whole number of at least 1"
        )

"""Options of how the outputs of a trained model are read: as probabilities, and as a class."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from pipeline.console.errors import UsageError
from pipeline.console.near_misses import not_one_of
from pipeline.console.options import Effect, Options, option

if TYPE_CHECKING:
    from tfrecords_schema import LabelSpec

_AIM = re.compile(r"f1|(specificity|sensitivity):(0?\.\d+|1(\.0*)?)")


@dataclasses.dataclass(frozen=True)
class ReadingOptions(Options):
    """What is chosen on the validation split once the weights are."""

    calibrate: str = option(
        "none",
        "temperature: one number that all logits are divided by, fitted on the validation split, "
        "so that probabilities are those of being right; no class changes by it.",
        ("none", "temperature"),
        common=True,
        effect=Effect.FIGURES,
    )
    positive_class: str = option(
        "",
        "The class that --decide_by finds a threshold for; all others are the rest.",
        effect=Effect.FIGURES,
    )
    decide_by: str = option(
        "",
        "The threshold, on the probability of --positive_class, that is best on the validation "
        "split: f1 (the greatest), specificity:0.95 (the greatest sensitivity with at least that "
        "specificity) or sensitivity:0.9 (the other way round). Without it the likeliest class is "
        "stated. Where a label is any number of classes, a threshold for each; without it 0.5.",
        common=True,
        effect=Effect.FIGURES,
    )

    def check(self) -> None:
        """See `Options`."""
        if self.positive_class and not self.decide_by:
            raise self._lacks("positive_class", "decide_by")
        if self.decide_by and not _AIM.fullmatch(self.decide_by):
            raise UsageError(
                f"--decide_by={self.decide_by}: expected f1, specificity:SHARE or "
                "sensitivity:SHARE with a share up to 1, such as specificity:0.95"
            )

    def _lacks(self, one: str, other: str) -> UsageError:
        return UsageError(
            f"--{one}={getattr(self, one)} needs --{other}; give both or neither of them"
        )

    @property
    def is_asked(self) -> bool:
        """Whether anything is chosen."""
        return self.calibrate != "none" or bool(self.decide_by)

    def require_suitable(self, label: LabelSpec, activation: str) -> None:
        """Refuses what the labels or the model's probabilities do not allow.

        Raises:
          UsageError: there are no classes, not that one, or no softmax to be divided within.
        """
        if label.kind == "classes":
            self._require_each()
            return
        if self.is_asked and label.heads:
            raise UsageError(
                "--decide_by and --calibrate are for one label, and the dataset has several; leave "
                f"them out, or learn one alone: --label={label.heads[0].name}"
            )
        if self.is_asked and not label.is_single:
            flag = "decide_by" if self.decide_by else "calibrate"
            raise UsageError(
                f"--{flag}={getattr(self, flag)} is for classes, the labels are values; leave it "
                "out"
            )
        if self.decide_by and not self.positive_class:
            raise self._lacks("decide_by", "positive_class")
        if self.positive_class and self.positive_class not in label.class_names:
            said = not_one_of(self.positive_class, label.class_names)
            raise UsageError(f"--positive_class={self.positive_class}: {said}")
        if self.calibrate != "none" and activation != "softmax":
            raise UsageError(
                f"--calibrate={self.calibrate} is for --class_activation=softmax, got "
                f"{activation}; leave it out"
            )

    def _require_each(self) -> None:
        """Refuses what is for one class out of several, as every class has its own threshold."""
        for name, default in (("positive_class", ""), ("calibrate", "none")):
            if getattr(self, name) != default:
                raise UsageError(
                    f"--{name}={getattr(self, name)} is for one class out of several, the labels "
                    "are any number of classes, with a threshold each (--decide_by); leave it out"
                )

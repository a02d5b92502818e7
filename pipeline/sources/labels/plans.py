"""How the labels of a set are converted: one, or several side by side, each by its own plan."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.console.errors import RejectedInputError
from pipeline.sources.label_kinds import LabelPlan
from pipeline.sources.labels.asked import AskedLabel, said_of
from pipeline.sources.labels.label import Label
from pipeline.sources.labels.records import convert_label, misfit
from pipeline.sources.source import Description
from tfrecords_schema.labels import (
    COLUMN_DTYPE,
    Head,
    LabelSpec,
    apart,
    side_by_side,
)
from tfrecords_schema.left_out import LeftOut


@dataclasses.dataclass(frozen=True)
class LabelPlans:
    """How labels are converted.

    Attributes:
      plans: of each label; of several, what a record holds of each is float32.
      asked: what flags say of each.
    """

    plans: tuple[LabelPlan, ...]
    asked: tuple[AskedLabel, ...]

    @classmethod
    def of(cls, plans: Sequence[LabelPlan], asked: Sequence[AskedLabel]) -> "LabelPlans":
        """One plan, or several whose labels stand side by side."""
        if len(plans) > 1:
            plans = [*map(_in_columns, plans)]
        return cls(tuple(plans), tuple(asked))

    @property
    def names(self) -> list[str]:
        """Of the heads; a single empty one of one label."""
        return [one.name for one in self.asked]

    @functools.cached_property
    def spec(self) -> LabelSpec:
        """What is stored."""
        if len(self.plans) == 1:
            return self.plans[0].spec
        pairs = zip(self.names, self.plans, strict=True)
        return LabelSpec.of_heads([Head(name, plan.spec) for name, plan in pairs])

    @property
    def why(self) -> str:
        """How the kinds were found, for people; a line for each."""
        return "\n".join(plan.why for plan in self.plans)

    @property
    def guesses(self) -> list[str]:
        """What was inferred and might be meant otherwise."""
        plans = enumerate(self.plans)
        return [said_of(at, self.asked, plan.guess) for at, plan in plans if plan.guess]

    @property
    def are_of_samples(self) -> bool:
        """Whether some labels are of samples, which windows make into labels of steps."""
        return any(plan.windows for plan in self.plans)

    def is_missing(self, labels: Sequence[Label | None]) -> bool:
        """Whether nothing of any label is known."""
        pairs = zip(self.plans, labels, strict=True)
        return all(plan.is_missing(label) for plan, label in pairs)

    def lacking(self, labels: Sequence[Label | None]) -> tuple[int, ...]:
        """Places of the labels of which nothing is known."""
        pairs = enumerate(zip(self.plans, labels, strict=True))
        return tuple(at for at, (plan, label) in pairs if plan.is_missing(label))

    def misfit(self, found: Description) -> str:
        """Why a record's labels do not fit the set's; empty if they do."""
        for at, (plan, label) in enumerate(zip(self.plans, found.labels, strict=True)):
            if label is None or plan.is_missing(label):
                continue
            if reason := misfit(label, found, plan):
                return said_of(at, self.asked, reason)
        return ""

    def counts(self, found: Description) -> Iterator[tuple[int, int]]:
        """Index of each class that an input has, and how often; of samples as many as there are."""
        first = 0
        for plan, label in zip(self.plans, found.labels, strict=True):
            for index, count in plan.counts(label) if label else ():
                yield first + index, count
            first += len(plan.spec.class_names)

    def gaps(self, found: Description) -> Iterator[LeftOut]:
        """What is said of labels that are not known in an input that has others."""
        triples = zip(self.names, self.plans, self.missing(found), strict=True)
        for name, plan, count in triples:
            yield from without_label(_unit(plan, "sample" if plan.windows else "step"), count, name)

    def missing(self, found: Description) -> Iterator[int]:
        """Of each label how often it is not known in an input; of samples as many as there are."""
        for at, (plan, label) in enumerate(zip(self.plans, found.labels, strict=True)):
            count = label.unknown if label else 0
            if at in found.lacking:
                length = found.samples if plan.windows else found.steps
                count = 1 if plan.spec.per == "record" else length
            yield count

    def convert(self, labels: Sequence[np.ndarray | None], record: Description) -> np.ndarray:
        """Labels as stored in the source to what the record holds of all of them.

        Raises:
          RejectedInputError: like `convert_label`.
          LookupError: likewise.
        """
        found: dict[str, np.ndarray] = {}
        for at, (name, plan, label) in enumerate(zip(self.names, self.plans, labels, strict=True)):
            if label is None or at in record.lacking:
                found[name] = plan.spec.unknown(record.steps)
                continue
            try:
                length = record.samples if plan.windows else record.steps
                found[name] = convert_label(label, plan, length)
            except RejectedInputError as error:
                raise type(error)(said_of(at, self.asked, str(error))) from error
        return side_by_side(found, self.spec, record.steps) if self.spec.heads else found[""]

    def stored_gaps(self, label: np.ndarray) -> Iterator[LeftOut]:
        """Like `gaps`, of what a record holds."""
        for plan, (head, found) in zip(self.plans, apart(self.spec, label), strict=True):
            missing = int((~plan.spec.is_known(found)).sum())
            yield from without_label(_unit(plan, "step"), missing, head.name)


def without_label(what: str, count: int, name: str = "") -> tuple[LeftOut, ...]:
    """What is said of labels that are not known, in a record that has others.

    Args:
      what: has them.
      count: how many have not.
      name: of the label, where there are several.
    """
    label = f"label {name}" if name else "a label"
    why = f"without {label}, so without weight in training and figures"
    return (LeftOut(what, why, count),) if count else ()


def _in_columns(plan: LabelPlan) -> LabelPlan:
    spec = plan.spec
    if spec.kind != "value":
        return plan
    return dataclasses.replace(plan, spec=dataclasses.replace(spec, dtype=COLUMN_DTYPE))


def _unit(plan: LabelPlan, of_time: str) -> str:
    return "recording" if plan.spec.per == "record" else of_time

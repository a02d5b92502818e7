"""What is known of the whole set once every input is described, and what follows from it."""

import collections
import dataclasses
from collections.abc import Iterable

import apache_beam as beam

from pipeline.console.errors import UsageError
from pipeline.sources.label_kinds import (
    MAX_CLASSES,
    LabelFit,
    LabelPlan,
    fit_of,
    misfit,
    plan_labels,
)
from pipeline.sources.options import ConvertOptions
from pipeline.sources.source import Description, InputKind, Reject
from tfrecords_schema.schema import InputSpec, RecordSchema

# dtype, step shape, label
Signature = tuple[str, tuple[int, ...], LabelFit | None]


@dataclasses.dataclass
class Facts:
    """Counts over a set of described inputs; they add up in any order.

    Attributes:
      rejected: number of rejected inputs.
      signatures: number of inputs of each dtype, step shape and label fit.
      classes: distinct classes of the inputs of each dtype, step shape and label fit.
    """

    rejected: int = 0
    signatures: collections.Counter[Signature] = dataclasses.field(
        default_factory=collections.Counter
    )
    classes: dict[Signature, set[int | str]] = dataclasses.field(default_factory=dict)

    @property
    def total(self) -> int:
        """Number of inputs."""
        return self.rejected + self.signatures.total()

    def add(self, outcome: Description | Reject) -> None:
        """Counts one input."""
        if isinstance(outcome, Reject):
            self.rejected += 1
            return
        signature = (outcome.dtype, outcome.step_shape, fit_of(outcome))
        self.signatures[signature] += 1
        if outcome.label is not None and outcome.label.classes:
            self._add_classes(signature, outcome.label.classes)

    def merge(self, other: "Facts") -> None:
        """Adds the counts of other inputs."""
        self.rejected += other.rejected
        self.signatures.update(other.signatures)
        for signature, classes in other.classes.items():
            self._add_classes(signature, classes)

    def _add_classes(self, signature: Signature, classes: Iterable[int | str]) -> None:
        known = self.classes.setdefault(signature, set())
        if len(known) <= MAX_CLASSES:  # More are refused anyway; the exact number does not matter.
            known.update(classes)


class CombineFacts(beam.CombineFn):
    """Adds up `Facts` over descriptions and rejects."""

    def create_accumulator(self) -> Facts:
        """No inputs."""
        return Facts()

    def add_input(self, mutable_accumulator: Facts, element: Description | Reject) -> Facts:
        """Counts one input."""
        mutable_accumulator.add(element)
        return mutable_accumulator

    def merge_accumulators(self, accumulators: Iterable[Facts]) -> Facts:
        """Adds up."""
        merged = Facts()
        for accumulator in accumulators:
            merged.merge(accumulator)
        return merged

    def extract_output(self, accumulator: Facts) -> Facts:
        """The facts themselves."""
        return accumulator


@dataclasses.dataclass(frozen=True)
class Decision:
    """What every record of the set looks like, or why there can be no set.

    Attributes:
      schema: None if the conversion is refused.
      labels: None without labels.
      refusal: what is wrong and what to do; empty if nothing is.
      time_axis: `--time_axis`, for messages.
    """

    schema: RecordSchema | None
    labels: LabelPlan | None = None
    refusal: str = ""
    time_axis: int = 0


def decide(facts: Facts, options: ConvertOptions, kind: InputKind) -> Decision:
    """Decides the schema: the commonest dtype, step shape and label; ties go by name."""
    try:
        _check_rejected(facts, options)
        return _decide(facts, options, kind)
    except UsageError as error:
        return Decision(None, refusal=str(error))


def check(description: Description, decision: Decision) -> Reject | None:
    """Rejects an input that does not fit the set."""
    assert decision.schema is not None
    expected = decision.schema.input
    reason = misfit(description, decision.labels)
    if (description.dtype, description.step_shape) != (expected.dtype, expected.step_shape):
        reason = (
            f"steps of {description.dtype} {list(description.step_shape)}, most of the set's are "
            f"{expected.dtype} {list(expected.step_shape)}; "
            f"{_make_alike(description, expected, decision.time_axis)}"
        )
    return Reject(description.path, "check", reason) if reason else None


def _make_alike(description: Description, expected: InputSpec, time_axis: int) -> str:
    if expected.kind == "signal":
        is_matrix = len(description.step_shape) == len(expected.step_shape) == 1
        is_other = description.step_shape != expected.step_shape
        hint = ", or, if time is their second axis, add --time_axis=1"
        return "make all recordings alike" + (
            hint if is_matrix and is_other and not time_axis else ""
        )
    height, width, _ = expected.step_shape
    return f"make all frames alike with --resize={height}x{width}"


def too_many_rejects(rejected: int, total: int, options: ConvertOptions) -> str:
    """The message if more inputs were rejected than allowed, else an empty text."""
    if rejected <= options.max_rejected_fraction * total:
        return ""
    return (
        f"{rejected} of {total} inputs were rejected, more than --max_rejected_fraction="
        f"{options.max_rejected_fraction:g} allows; repair or remove them, or allow more"
    )


def _check_rejected(facts: Facts, options: ConvertOptions) -> None:
    if facts.total == 0:
        what = "folder with frames" if options.source == "image_folders" else "npz file"
        raise UsageError(f"no {what} under --input_dir={options.input_dir}; give another folder")
    message = too_many_rejects(facts.rejected, facts.total, options)
    if message or not facts.signatures:
        raise UsageError(message or f"all {facts.total} inputs were rejected; repair them")


def _decide(facts: Facts, options: ConvertOptions, kind: InputKind) -> Decision:
    inputs: collections.Counter[tuple[str, tuple[int, ...]]] = collections.Counter()
    for (dtype, step_shape, _), count in facts.signatures.items():
        inputs[(dtype, step_shape)] += count
    dtype, step_shape = min(inputs, key=lambda key: (-inputs[key], str(key)))
    fits = {
        fit: count
        for (*head, fit), count in facts.signatures.items()
        if tuple(head) == (dtype, step_shape) and fit is not None
    }
    labels = _plan_labels(facts, options, fits, (dtype, step_shape)) if fits else None
    spec = InputSpec(kind, dtype, step_shape)
    schema = RecordSchema(spec, labels.spec if labels else None)
    return Decision(schema, labels, time_axis=options.time_axis)


def _plan_labels(
    facts: Facts,
    options: ConvertOptions,
    fits: dict[LabelFit, int],
    head: tuple[str, tuple[int, ...]],
) -> LabelPlan:
    classes = {fit: facts.classes.get((*head, fit), set()) for fit in fits}
    return plan_labels(
        fits,
        classes,
        kind=options.label_kind,
        class_names=options.class_names,
        windows=options.window_labels,
    )

"""From listed files to descriptions and rejects, and from all of these to the set's schema."""

import collections
import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from pipeline.console.errors import RejectedInputError, UsageError, printable
from pipeline.sources.label_kinds import (
    MAX_CLASSES,
    LabelFit,
    LabelPlan,
    fit_of,
    misfit,
    plan_labels,
)
from pipeline.sources.options import ConvertOptions
from pipeline.sources.source import Description, InputFile, InputKind, Reject, Source
from tfrecords_schema.schema import InputSpec, RecordSchema

Outcome = Description | Reject
# dtype, step shape, label
Signature = tuple[str, tuple[int, ...], LabelFit | None]


def group_by_id(source: Source, files: Iterable[InputFile]) -> dict[str, list[InputFile]]:
    """The files of each record id; there should be one."""
    by_id: dict[str, list[InputFile]] = collections.defaultdict(list)
    for file in files:
        by_id[source.record_id(file.path)].append(file)
    return by_id


def describe(source: Source, record_id: str, files: Sequence[InputFile]) -> list[Outcome]:
    """Describes the input that has an id; of several that share one none can be told to be it.

    Args:
      source: kind of raw data.
      record_id: the id.
      files: all inputs of that id.
    """
    if len(files) > 1:
        paths = sorted(file.path for file in files)
        return [_duplicate(printable(record_id), path, paths) for path in paths]
    path, _, problem = files[0]
    if problem:
        return [Reject(path, "list", problem)]
    try:
        return [source.describe(path)]
    except RejectedInputError as error:
        return [Reject(path, "describe", str(error))]


def _duplicate(record_id: str, path: str, paths: Sequence[str]) -> Reject:
    others = ", ".join(other for other in paths if other != path)
    reason = f"its id {record_id!r} is also that of {others}; rename or remove one"
    return Reject(path, "list", reason)


@dataclasses.dataclass
class InputCounts:
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

    def add_classes(self, signature: Signature, classes: Iterable[int | str]) -> None:
        """Adds to the classes of a signature."""
        known = self.classes.setdefault(signature, set())
        if len(known) <= MAX_CLASSES:  # More are refused anyway; the exact number does not matter.
            known.update(classes)


def count_inputs(outcomes: Iterable[Outcome]) -> InputCounts:
    """Counts inputs."""
    counts = InputCounts()
    for outcome in outcomes:
        if isinstance(outcome, Reject):
            counts.rejected += 1
            continue
        signature = (outcome.dtype, outcome.step_shape, fit_of(outcome))
        counts.signatures[signature] += 1
        if outcome.label is not None and outcome.label.classes:
            counts.add_classes(signature, outcome.label.classes)
    return counts


def add_input_counts(parts: Iterable[InputCounts]) -> InputCounts:
    """Adds up."""
    total = InputCounts()
    for part in parts:
        total.rejected += part.rejected
        total.signatures.update(part.signatures)
        for signature, classes in part.classes.items():
            total.add_classes(signature, classes)
    return total


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


def decide(counts: InputCounts, options: ConvertOptions, kind: InputKind) -> Decision:
    """Decides the schema: the commonest dtype, step shape and label; ties go by name."""
    try:
        _require_inputs(counts, options)
        return _decide(counts, options, kind)
    except UsageError as error:
        return Decision(None, refusal=str(error))


def too_many_rejects(rejected: int, total: int, options: ConvertOptions) -> str:
    """The message if more inputs were rejected than allowed, else an empty text."""
    if rejected <= options.max_rejected_fraction * total:
        return ""
    return (
        f"{rejected} of {total} inputs were rejected, more than --max_rejected_fraction="
        f"{options.max_rejected_fraction:g} allows; repair or remove them, or allow more"
    )


def _require_inputs(counts: InputCounts, options: ConvertOptions) -> None:
    if counts.total == 0:
        what = "folder with frames" if options.source == "image_folders" else "npz file"
        raise UsageError(f"no {what} under --input_dir={options.input_dir}; give another folder")
    message = too_many_rejects(counts.rejected, counts.total, options)
    if message or not counts.signatures:
        raise UsageError(message or f"all {counts.total} inputs were rejected; repair them")


def _decide(counts: InputCounts, options: ConvertOptions, kind: InputKind) -> Decision:
    inputs: collections.Counter[tuple[str, tuple[int, ...]]] = collections.Counter()
    for (dtype, step_shape, _), count in counts.signatures.items():
        inputs[(dtype, step_shape)] += count
    dtype, step_shape = min(inputs, key=lambda key: (-inputs[key], str(key)))
    fits = {
        fit: count
        for (*head, fit), count in counts.signatures.items()
        if (*head,) == (dtype, step_shape) and fit is not None
    }
    labels = None
    if fits:
        labels = plan_labels(
            fits,
            {fit: counts.classes.get((dtype, step_shape, fit), set()) for fit in fits},
            kind=options.label_kind,
            class_names=options.class_names,
            windows=options.window_labels,
        )
    schema = RecordSchema(InputSpec(kind, dtype, step_shape), labels.spec if labels else None)
    return Decision(schema, labels, time_axis=options.time_axis)


def fitting(outcomes: Iterable[Outcome], decision: Decision) -> Iterator[Description]:
    """The inputs that fit the set; none if there can be no set."""
    for outcome in outcomes:
        if isinstance(outcome, Description) and decision.schema and not check(outcome, decision):
            yield outcome


def rejects(outcomes: Iterable[Outcome], decision: Decision) -> Iterator[Reject]:
    """The inputs that are rejected, also those that do not fit the set."""
    for outcome in outcomes:
        if isinstance(outcome, Reject):
            yield outcome
        elif decision.schema and (reject := check(outcome, decision)):
            yield reject


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

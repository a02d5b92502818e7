"""From listed files to descriptions and rejects, and from all of these to the set's schema."""

import collections
import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pipeline.console.errors import (
    MissingLabelError,
    RejectedInputError,
    UsageError,
    fault_named,
)
from pipeline.conversion.layouts import (
    Layout,
    chosen_names,
    commonest,
    layout_misfit,
    other_names,
    roles_of,
)
from pipeline.sources.label_kinds import MAX_CLASSES, LabelPlan, plan_labels
from pipeline.sources.labels import gaps, several
from pipeline.sources.labels.fits import NOTHING_KNOWN, LabelFit, fit_of
from pipeline.sources.labels.records import misfit
from pipeline.sources.listing import listing_rejects
from pipeline.sources.names import normal
from pipeline.sources.options import ConvertOptions
from pipeline.sources.source import Description, InputFile, Reject, Source
from tfrecords_schema.left_out import LeftOut
from tfrecords_schema.names import UNLABELLED
from tfrecords_schema.schema import InputSpec, RecordSchema

KEEP_OR_DROP = "; --unlabelled=keep keeps such recordings for prediction, drop leaves them out"
Outcome = Description | Reject
# dtype, step shape, samples per second (0 if unknown), channels, label
Signature = tuple[str, tuple[int, ...], float, Layout, LabelFit | None]


def describe(source: Source, record_id: str, files: Sequence[InputFile]) -> list[Outcome]:
    """Describes the input that has an id; of several that share one none can be told to be it.

    Args:
      source: kind of raw data.
      record_id: the id.
      files: all inputs of that id.

    Raises:
      RuntimeError: the kind failed by a fault of its code; the message names the file.
    """
    if found := listing_rejects(record_id, files):
        return [*found]
    path = files[0].path
    try:
        with fault_named(f"{type(source).__name__}.describe({source.full_path(path)!r})"):
            return [_described(source, path)]
    except MissingLabelError as error:
        return [Reject(path, "describe", f"{error}{KEEP_OR_DROP}")]
    except RejectedInputError as error:
        return [Reject(path, "describe", str(error))]


def _described(source: Source, path: str) -> Description:
    """An input with its label as `--ignore_label` and `--unlabelled` have it."""
    options = source.options
    try:
        found = source.describe(path)
    except MissingLabelError:
        if options.unlabelled == "auto":
            raise
        found = source.without_labels().describe(path)
    if found.label is None:
        return found
    if found.label.form == "text" and options.has_names:
        is_list = options.label_kind == "record_classes"
        names = [*map(normal, options.ignore_label)]
        separator = options.label_separator
        label = several.of_names(found.label, separator, is_list=is_list, ignored=names)
        return found._replace(label=label)
    if not options.ignore_label:
        return found
    ignored = gaps.ignored(options.ignore_label, found.label.form)
    return found._replace(label=found.label.without(ignored))


@dataclasses.dataclass
class InputCounts:
    """Counts over a set of described inputs; they add up in any order.

    Attributes:
      rejected: number of rejected inputs.
      signatures: number of inputs of each dtype, step shape, rate, channels and label fit.
      classes: distinct classes of the inputs of each signature.
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
        signature = (
            outcome.dtype, outcome.step_shape, outcome.rate_hz, outcome.channels, fit_of(outcome),
        )  # fmt: skip
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
      source: the inputs; it says how to make them alike.
      rate_hz: samples per second of all of them; 0 if unknown.
      layouts: number of inputs of each order of channels.
      dropped: number of inputs that are left out as they have no label (`--unlabelled=drop`).
    """

    schema: RecordSchema | None
    labels: LabelPlan | None = None
    refusal: str = ""
    source: Source | None = None
    rate_hz: float = 0.0
    layouts: Mapping[Layout, int] = dataclasses.field(default_factory=dict)
    dropped: int = 0

    @functools.cached_property
    def layout(self) -> Layout:
        """The channels of most inputs."""
        return commonest(self.layouts)

    @property
    def num_classes(self) -> int:
        """How many classes the labels have; 0 for values."""
        return len(self.labels.spec.class_names) if self.labels else 0

    @property
    def channels(self) -> list[str]:
        """Names of the channels, where all inputs say the same ones; else none."""
        return chosen_names(self.layouts, self.layout)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What is said of the labels' kind, and of channels, where they are not clear."""
        guess = self.labels.guess if self.labels else ""
        said = [LeftOut("", guess, 0)] if guess else []
        if self.dropped:
            said.append(LeftOut("input", "without a label (--unlabelled=drop)", self.dropped))
        return (*said, *other_names(self.layouts, self.layout))


def decide(counts: InputCounts, source: Source) -> Decision:
    """Decides the schema: the commonest dtype, step shape, rate and label; ties go by name."""
    try:
        _require_inputs(counts, source)
        return _decide(counts, source)
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


def _require_inputs(counts: InputCounts, source: Source) -> None:
    if counts.total == 0:
        raise UsageError(source.nothing)
    message = too_many_rejects(counts.rejected, counts.total, source.options)
    if message or not counts.signatures:
        raise UsageError(message or f"all {counts.total} inputs were rejected; repair them")


def _decide(counts: InputCounts, source: Source) -> Decision:
    inputs: collections.Counter[tuple[str, tuple[int, ...], float]] = collections.Counter()
    for signature, count in counts.signatures.items():
        inputs[signature[:3]] += count
    kept = min(inputs, key=lambda key: (-inputs[key], str(key)))
    dtype, step_shape, rate_hz = kept
    fits: collections.Counter[LabelFit] = collections.Counter()
    classes: dict[LabelFit, set[int | str]] = collections.defaultdict(set)
    layouts: collections.Counter[Layout] = collections.Counter()
    for signature, count in counts.signatures.items():
        layout, fit = signature[3:]
        layouts[layout] += count if signature[:3] == kept else 0
        if signature[:3] == kept and fit is not None:
            fits[fit] += count
            classes[fit].update(counts.classes.get(signature, ()))
    labels, options, windows = None, source.options, source.options.window_labels
    unknown = fits.pop(NOTHING_KNOWN, 0)
    if (fits or unknown) and options.label_kind != "none":
        without = sum(count for (*_, fit), count in counts.signatures.items() if fit is None)
        unlabelled = {"auto": unknown, "keep": unknown + without, "drop": 0}[options.unlabelled]
        labels = plan_labels(
            fits,
            classes,
            kind=options.label_kind,
            class_names=options.class_names,
            windows=windows,
            ignore_label=options.ignore_label,
            separator=options.label_separator,
            has_missing=bool(unlabelled) or any(fit.has_missing for fit in fits),
        )
    keeps_tail, roles = bool(windows and windows.keeps_tail), roles_of(commonest(layouts))
    spec = InputSpec(source.kind, dtype, step_shape, keeps_tail, roles)
    schema = RecordSchema(spec, labels.spec if labels else None)
    dropped = _dropped(counts, labels) if options.unlabelled == "drop" else 0
    return Decision(
        schema, labels, source=source, rate_hz=rate_hz, layouts=+layouts, dropped=dropped
    )


def _dropped(counts: InputCounts, labels: LabelPlan | None) -> int:
    """How many inputs have no label: of values per record, also those of which one is NaN."""
    if labels is None:
        return 0
    is_whole = labels.spec.kind == "value" and labels.spec.per == "record"
    return sum(
        count
        for (*_, fit), count in counts.signatures.items()
        if fit in (None, NOTHING_KNOWN) or (is_whole and fit.has_missing)
    )


def fitting(outcomes: Iterable[Outcome], decision: Decision) -> Iterator[Description]:
    """The inputs that fit the set; those without a label are in a split of their own."""
    for outcome in outcomes:
        if not isinstance(outcome, Description) or not decision.schema:
            continue
        if _is_dropped(outcome, decision) or check(outcome, decision):
            continue
        is_kept = _is_unlabelled(outcome, decision)
        yield outcome._replace(split=UNLABELLED) if is_kept else outcome


def rejects(outcomes: Iterable[Outcome], decision: Decision) -> Iterator[Reject]:
    """The inputs that are rejected, also those that do not fit the set."""
    for outcome in outcomes:
        if isinstance(outcome, Reject):
            yield outcome
        elif not decision.schema or _is_dropped(outcome, decision):
            continue
        elif reject := check(outcome, decision):
            yield reject


def _is_unlabelled(found: Description, decision: Decision) -> bool:
    return decision.labels is not None and decision.labels.is_missing(found.label)


def _is_dropped(found: Description, decision: Decision) -> bool:
    return decision.dropped > 0 and _is_unlabelled(found, decision)


def check(description: Description, decision: Decision) -> Reject | None:
    """Rejects an input that does not fit the set."""
    reason = _misfit(description, decision)
    return Reject(description.path, "check", reason) if reason else None


def _misfit(found: Description, decision: Decision) -> str:
    source, schema = decision.source, decision.schema
    assert source is not None
    assert schema is not None
    expected = schema.input
    if (found.dtype, found.step_shape) != (expected.dtype, expected.step_shape):
        return (
            f"steps of {found.dtype} {list(found.step_shape)}, most of the set's are "
            f"{expected.dtype} {list(expected.step_shape)}; "
            f"{source.make_alike(found, expected.step_shape)}"
        )
    if found.rate_hz != decision.rate_hz:
        return (
            f"{found.rate_hz:g} samples per second, most of the set's have {decision.rate_hz:g}; "
            "give all one rate with --resample_hz, or remove it"
        )
    if reason := layout_misfit(found.channels, decision.layout):
        return reason
    if decision.labels is None:
        return ""
    if found.label is None and source.options.unlabelled == "auto":
        return source.no_label + KEEP_OR_DROP
    return "" if decision.labels.is_missing(found.label) else misfit(found, decision.labels)

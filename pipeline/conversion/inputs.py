"""From listed files to descriptions and rejects, and from all of these to the set's schema."""

import collections
import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pipeline.console.errors import (
    MissingLabelError,
    RejectedInputError,
    UsageError,
    fault_named,
)
from pipeline.console.texts import counted
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
from pipeline.sources.labels.asked import AskedLabel, said_of
from pipeline.sources.labels.fits import NOTHING_KNOWN, LabelFit, fits_of
from pipeline.sources.labels.label import Label
from pipeline.sources.labels.plans import LabelPlans
from pipeline.sources.listing import listing_rejects
from pipeline.sources.names import normal
from pipeline.sources.options import ConvertOptions
from pipeline.sources.source import Description, InputFile, Reject, Source
from tfrecords_schema.left_out import LeftOut
from tfrecords_schema.names import UNLABELLED
from tfrecords_schema.schema import InputSpec, RecordSchema

_KEEP_OR_DROP = "; --unlabelled=keep keeps such recordings for prediction, drop leaves them out"
_KEEP_OR_DROP_ALL = (
    "; with --unlabelled=keep or drop a recording may lack some labels; one that lacks all is kept "
    "for prediction, or left out"
)
Outcome = Description | Reject
# dtype, step shape, samples per second (0 if unknown), channels, labels
Signature = tuple[str, tuple[int, ...], float, Layout, tuple[LabelFit | None, ...]]


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
        return [Reject(path, "describe", f"{error}{_keep_or_drop(source)}")]
    except RejectedInputError as error:
        return [Reject(path, "describe", str(error))]


def _keep_or_drop(source: Source) -> str:
    return _KEEP_OR_DROP_ALL if len(source.options.asked_labels) > 1 else _KEEP_OR_DROP


def _described(source: Source, path: str) -> Description:
    """An input with its labels as `--ignore_label` and `--unlabelled` have them."""
    options = source.options
    asked = options.asked_labels
    try:
        found = source.describe(path)
    except MissingLabelError:
        if options.unlabelled == "auto":
            raise
        found = source.without_labels().describe(path)
    labels = found.labels if found.labels and asked else (None,) * len(asked)
    if len(labels) != len(asked):
        raise UsageError(
            f"--source={options.source} reads {counted(len(labels), 'label')}, {len(asked)} are "
            "named; name as many in --label_key"
        )
    pairs = zip(labels, asked, strict=True)
    return found._replace(
        labels=tuple(label and _known(label, one, options) for label, one in pairs)
    )


def _known(label: Label, asked: AskedLabel, options: ConvertOptions) -> Label:
    """A label without what `--ignore_label` names."""
    if label.form == "text" and asked.has_names(options.label_separator):
        is_list = asked.kind == "record_classes"
        names = [*map(normal, options.ignore_label)]
        separator = options.label_separator
        return several.of_names(label, separator, is_list=is_list, ignored=names)
    if not options.ignore_label:
        return label
    return label.without(gaps.ignored(options.ignore_label, label.form))


@dataclasses.dataclass
class InputCounts:
    """Counts over a set of described inputs; they add up in any order.

    Attributes:
      rejected: number of rejected inputs.
      signatures: number of inputs of each dtype, step shape, rate, channels and fits of labels.
      classes: distinct classes of the inputs of each signature, of the label in each place.
    """

    rejected: int = 0
    signatures: collections.Counter[Signature] = dataclasses.field(
        default_factory=collections.Counter
    )
    classes: dict[tuple[Signature, int], set[int | str]] = dataclasses.field(default_factory=dict)

    @property
    def total(self) -> int:
        """Number of inputs."""
        return self.rejected + self.signatures.total()

    def add_classes(self, place: tuple[Signature, int], classes: Iterable[int | str]) -> None:
        """Adds to the classes of a signature and place."""
        known = self.classes.setdefault(place, set())
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
            outcome.dtype, outcome.step_shape, outcome.rate_hz, outcome.channels, fits_of(outcome),
        )  # fmt: skip
        counts.signatures[signature] += 1
        for at, label in enumerate(outcome.labels):
            if label is not None and label.classes:
                counts.add_classes((signature, at), label.classes)
    return counts


def add_input_counts(parts: Iterable[InputCounts]) -> InputCounts:
    """Adds up."""
    total = InputCounts()
    for part in parts:
        total.rejected += part.rejected
        total.signatures.update(part.signatures)
        for place, classes in part.classes.items():
            total.add_classes(place, classes)
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
    labels: LabelPlans | None = None
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
        said = [LeftOut("", guess, 0) for guess in self.labels.guesses] if self.labels else []
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
    layouts: collections.Counter[Layout] = collections.Counter()
    for signature, count in counts.signatures.items():
        layouts[signature[3]] += count if signature[:3] == kept else 0
    labels, windows = _plan_labels(counts, kept, source.options), source.options.window_labels
    keeps_tail, layout = bool(windows and windows.keeps_tail), commonest(layouts)
    # Channels of frames stand beside them.
    has_frames, names = source.kind == "frames", tuple(channel.name for channel in layout)
    roles, beside = ((), names) if has_frames else (roles_of(layout), ())
    spec = InputSpec(source.kind, dtype, step_shape, keeps_tail, roles, beside)
    schema = RecordSchema(spec, labels.spec if labels else None)
    dropped = _dropped(counts, labels) if source.options.unlabelled == "drop" else 0
    return Decision(
        schema, labels, source=source, rate_hz=rate_hz, layouts=+layouts, dropped=dropped
    )


def _plan_labels(
    counts: InputCounts, kept: tuple[Any, ...], options: ConvertOptions
) -> LabelPlans | None:
    """The plan of every label, from inputs with signatures that begin like `kept`; None without."""
    asked = options.asked_labels
    of_kept = {one: count for one, count in counts.signatures.items() if one[:3] == kept}
    if not asked or not any(fit for *_, fits in of_kept for fit in fits):
        return None
    plans = []
    for at in range(len(asked)):
        try:
            plans.append(_plan_label(counts, of_kept, at, options))
        except UsageError as error:
            raise type(error)(said_of(at, asked, str(error))) from error
    return LabelPlans.of(plans, asked)


def _plan_label(
    counts: InputCounts, of_kept: Mapping[Signature, int], at: int, options: ConvertOptions
) -> LabelPlan:
    """The plan of the label in one place."""
    asked, is_alone = options.asked_labels[at], len(options.asked_labels) == 1
    windows = options.window_labels
    fits: collections.Counter[LabelFit] = collections.Counter()
    classes: dict[LabelFit, set[int | str]] = collections.defaultdict(set)
    for signature, count in of_kept.items():
        if (fit := signature[4][at]) is not None:
            fits[fit] += count
            classes[fit].update(counts.classes.get((signature, at), ()))
    fits.pop(NOTHING_KNOWN, 0)
    lacking = [
        signature[4]
        for signature in counts.signatures
        if signature[4][at] is None or (signature[4][at] == NOTHING_KNOWN and signature in of_kept)
    ]
    return plan_labels(
        fits,
        classes,
        kind=asked.kind,
        class_names=asked.class_names,
        windows=windows and dataclasses.replace(windows, is_shared=not is_alone),
        ignore_label=options.ignore_label,
        separator=options.label_separator,
        has_missing=any(fit.has_missing for fit in fits)
        or any(_is_kept(of_input, at, options.unlabelled) for of_input in lacking),
        is_alone=is_alone,
    )


def _is_kept(fits: Sequence[LabelFit | None], at: int, unlabelled: str) -> bool:
    """Whether an input that lacks the label in one place is kept."""
    is_labelled = any(map(_is_something, fits))
    return {"auto": fits[at] is not None, "keep": True, "drop": is_labelled}[unlabelled]


def _is_something(fit: LabelFit | None) -> bool:
    return fit not in (None, NOTHING_KNOWN)


def _dropped(counts: InputCounts, labels: LabelPlans | None) -> int:
    """How many inputs have no label: of values per record, also those of which one is NaN."""
    if labels is None:
        return 0
    return sum(
        count
        for (*_, fits), count in counts.signatures.items()
        if all(map(_is_missing, fits, labels.plans))
    )


def _is_missing(fit: LabelFit | None, plan: LabelPlan) -> bool:
    is_whole = plan.spec.kind == "value" and plan.spec.per == "record"
    return fit is None or fit == NOTHING_KNOWN or (is_whole and fit.has_missing)


def fitting(outcomes: Iterable[Outcome], decision: Decision) -> Iterator[Description]:
    """The inputs that fit the set; those without a label are in a split of their own."""
    for outcome in outcomes:
        if not isinstance(outcome, Description) or not decision.schema:
            continue
        if _is_dropped(outcome, decision) or check(outcome, decision):
            continue
        if _is_unlabelled(outcome, decision):
            yield outcome._replace(split=UNLABELLED)
        else:
            labels = decision.labels
            yield outcome._replace(lacking=labels.lacking(outcome.labels) if labels else ())


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
    return decision.labels is not None and decision.labels.is_missing(found.labels)


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
    if None in found.labels and source.options.unlabelled == "auto":
        return source.no_label + _keep_or_drop(source)
    return decision.labels.misfit(found)

"""Annotations of a recording, each with a time, as one class for every step."""

import dataclasses
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.console.options import option
from pipeline.sources.names import require_class
from pipeline.sources.recordings.options import RecordingOptions
from pipeline.sources.recordings.sections import first_sample

_MAX_CLASSES = 1000
_MAX_CELLS = 100_000_000  # Counts of steps by classes.


class Annotation(NamedTuple):
    """A text at a time: seconds from the recording's beginning, 0 long if it is a point."""

    onset_secs: float
    duration_secs: float
    text: str


@dataclasses.dataclass(frozen=True)
class AnnotationOptions(RecordingOptions):
    """Annotations as labels."""

    annotation_regex: str = option(
        "",
        "Only annotations whose text it finds are classes: by group 1, or by all that it finds; "
        "without it every text is a class.",
    )
    annotation_span: str = option(
        "duration",
        "How long an annotation lasts: its own duration, or until the next one that is a class.",
        ("duration", "until_next"),
    )
    unannotated: str = option("none", "Class of steps where there is no annotation.")

    def check(self) -> None:
        """See `Options`."""
        super().check()
        try:
            re.compile(self.annotation_regex)
            require_class(self.unannotated)
        except re.error as error:
            raise UsageError(
                f"--annotation_regex={self.annotation_regex}: not a regular expression ({error})"
            ) from error
        except RejectedInputError as error:
            raise UsageError(f"--unannotated: {error}") from error


class Grid(NamedTuple):
    """The steps that are labelled.

    Attributes:
      from_secs: time of the first sample.
      rate_hz: samples per second.
      samples: number of samples.
      window: samples of a step.
      steps: number of steps; the last may have fewer samples.
    """

    from_secs: float
    rate_hz: float
    samples: int
    window: int
    steps: int


def classes_of_steps(
    annotations: Sequence[Annotation], grid: Grid, options: AnnotationOptions
) -> np.ndarray:
    """The class of each step: the one that most of its samples have.

    A sample has the classes of all annotations that cover its time; an annotation that is a point
    covers the first sample at or after it. Samples without one count for `--unannotated`, except
    where all annotations are points, as with heart beats: there it is the class of steps without
    any. Of classes with equally many samples, it is the first in the order of their texts; with
    `--window_label=last` it is likewise the class of the step's last sample.

    Returns:
      `[steps]` texts, dtype object.
    """
    spans = _spans(annotations, grid, options)
    points_only = options.annotation_span == "duration" and not any(
        annotation.duration_secs for annotation in annotations
    )
    names = sorted({options.unannotated, *(text for _, _, text in spans)})
    if len(names) > _MAX_CLASSES or len(names) * grid.steps > _MAX_CELLS:
        raise RejectedInputError(
            f"its annotations have {len(names)} texts, too many for classes of {grid.steps} steps; "
            "choose with --annotation_regex"
        )
    index = {name: number for number, name in enumerate(names)}
    counts = np.zeros((grid.steps, len(names)), np.int64)
    is_last = options.window_label == "last"
    for start, stop, text in spans:
        _count(counts[:, index[text]], start, stop, grid, is_last=is_last)
    rest = _sizes(grid, is_last=is_last)
    for start, stop in _union(spans):
        _count(rest, start, stop, grid, is_last=is_last, sign=-1)
    if points_only and not is_last:
        rest = np.where(counts.any(axis=1), 0, 1)
    counts[:, index[options.unannotated]] += rest
    return np.array(names, object)[counts.argmax(axis=1)]


def _spans(
    annotations: Sequence[Annotation], grid: Grid, options: AnnotationOptions
) -> list[tuple[int, int, str]]:
    """First sample, end and class of each annotation that covers any, in the order of time."""
    classes = [
        (annotation, text)
        for annotation in sorted(annotations)
        if (text := _class_of(annotation.text, options.annotation_regex))
    ]
    found = []
    for number, (annotation, text) in enumerate(classes):
        start = _sample(annotation.onset_secs, grid)
        if options.annotation_span == "until_next":
            is_last = number + 1 == len(classes)
            stop = grid.samples if is_last else _sample(classes[number + 1][0].onset_secs, grid)
        elif annotation.duration_secs:
            stop = _sample(annotation.onset_secs + annotation.duration_secs, grid)
        else:
            stop = start + 1
        start, stop = max(start, 0), min(stop, grid.samples)
        if start < stop:
            found.append((start, stop, text))
    return found


def _class_of(text: str, regex: str) -> str:
    """The class of an annotation; empty if it has none."""
    if not regex:
        return text and require_class(text)
    found = re.search(regex, text)
    name = (found[1] if found.re.groups else found[0]) if found else ""
    return name and require_class(name)


def _sample(secs: float, grid: Grid) -> int:
    return first_sample(secs - grid.from_secs, grid.rate_hz)


def _count(
    counts: np.ndarray, start: int, stop: int, grid: Grid, *, is_last: bool, sign: int = 1
) -> None:
    """Adds to each step how many of the samples `start` to `stop` are in it."""
    first, last = start // grid.window, min((stop - 1) // grid.window, grid.steps - 1)
    for edge in {first, last} if first < grid.steps else ():
        counts[edge] += sign * _within(start, stop, edge, grid, is_last=is_last)
    counts[first + 1 : last] += sign * (1 if is_last else grid.window)


def _within(start: int, stop: int, step: int, grid: Grid, *, is_last: bool) -> int:
    begin, end = step * grid.window, min((step + 1) * grid.window, grid.samples)
    begin = end - 1 if is_last else begin
    return max(0, min(stop, end) - max(start, begin))


def _sizes(grid: Grid, *, is_last: bool) -> np.ndarray:
    """Samples of each step; the last of each counts alone with `is_last`."""
    if is_last:
        return np.ones(grid.steps, np.int64)
    starts = np.arange(grid.steps, dtype=np.int64) * grid.window
    return np.minimum(grid.window, grid.samples - starts)


def _union(spans: Sequence[tuple[int, int, str]]) -> Iterator[tuple[int, int]]:
    """Spans in the order of their starts, joined where they overlap."""
    end = 0
    for start, stop, _ in spans:
        if stop > end:
            yield max(start, end), stop
            end = stop

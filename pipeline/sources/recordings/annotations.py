"""Annotations of a recording, each with a time, as one label for every step."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.console.errors import RejectedInputError
from pipeline.sources.names import normal, require_class
from pipeline.sources.recordings.event_options import AnnotationOptions
from pipeline.sources.recordings.sections import first_sample
from pipeline.sources.source import Grid

_MAX_CLASSES = 1000
_MAX_CELLS = 100_000_000  # Counts of steps by classes.


class Annotation(NamedTuple):
    """A text at a time: seconds from the recording's beginning, 0 long if it is a point."""

    onset_secs: float
    duration_secs: float
    text: str


def labels_of_steps(
    annotations: Sequence[Annotation], grid: Grid, options: AnnotationOptions
) -> np.ndarray:
    """The label of each step, as `--window_label` says.

    A sample has the classes of all annotations that cover its time; an annotation that is a point
    covers the first sample at or after it. Samples without one have `--unannotated`.

    Returns:
      `[steps]` texts, dtype object: with `majority` the class that most samples of a step have;
      with `any` likewise, but `--unannotated` only if no sample has another (as where all
      annotations are points, as with heart beats); with `last` that of the last sample. Of classes
      with equally many samples, it is the first in the order of their texts.
      With `share` `[steps, classes]` float64: of each of `--class_names`, in which share of the
      step's samples it is.

    Raises:
      RejectedInputError: if there are too many classes, or others than these.
    """
    spans = _spans(annotations, grid, options)
    rule = options.window_label
    points_only = options.annotation_span == "duration" and not any(
        annotation.duration_secs for annotation in annotations
    )
    names = _names(spans, grid, options)
    index = {name: number for number, name in enumerate(names)}
    counts = np.zeros((grid.steps, len(names)), np.int64)
    is_last = rule == "last"
    if rule == "share":  # What covers a sample twice is there once.
        spans = [(*edges, name) for name in names for edges in _union_of(name, spans)]
    for start, stop, text in spans:
        _count(counts[:, index[text]], start, stop, grid, is_last=is_last)
    rest = _sizes(grid, is_last=is_last)
    for start, stop in _union(sorted(spans)):
        _count(rest, start, stop, grid, is_last=is_last, sign=-1)
    if rule == "any" or (points_only and rule in ("auto", "majority")):
        rest = np.where(counts.any(axis=1), 0, 1)
    if options.unannotated in index:
        counts[:, index[options.unannotated]] += rest
    if rule == "share":
        return counts / _sizes(grid, is_last=False)[:, np.newaxis]
    return np.array(names, object)[counts.argmax(axis=1)]


def _names(
    spans: Sequence[tuple[int, int, str]], grid: Grid, options: AnnotationOptions
) -> list[str]:
    """The classes that are counted."""
    found = {text for _, _, text in spans}
    if options.window_label == "share":
        names = [*map(normal, options.class_names)]
        if unknown := sorted(found - {*names, options.unannotated}):
            raise RejectedInputError(
                f"unknown class {unknown[0]!r} (--class_names has {', '.join(names[:10])}); add "
                "it, or leave it out with --annotation_regex"
            )
    else:
        names = sorted({options.unannotated, *found})
    if len(names) > _MAX_CLASSES or len(names) * grid.steps > _MAX_CELLS:
        raise RejectedInputError(
            f"its annotations have {len(names)} texts, too many for classes of {grid.steps} steps; "
            "choose with --annotation_regex"
        )
    return names


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
        return text and normal(require_class(text))
    found = re.search(regex, text)
    name = (found[1] if found.re.groups else found[0]) if found else ""
    return name and normal(require_class(name))


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


def _union_of(name: str, spans: Iterable[tuple[int, int, str]]) -> Iterator[tuple[int, int]]:
    return _union(span for span in spans if span[2] == name)


def _union(spans: Iterable[tuple[int, int, str]]) -> Iterator[tuple[int, int]]:
    """Spans in the order of their starts, joined where they overlap."""
    end = 0
    for start, stop, _ in spans:
        if stop > end:
            yield max(start, end), stop
            end = stop

"""Annotations as one label for every step, against a plain loop over samples."""

import collections
import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.sources.recordings.annotations import Annotation, labels_of_steps
from pipeline.sources.recordings.event_options import AnnotationOptions
from pipeline.sources.source import Grid


def _options(**options: Any) -> AnnotationOptions:
    return AnnotationOptions("in", "out", "test", window_samples=4, **options)


def _loop(annotations: list[Annotation], grid: Grid, options: AnnotationOptions) -> list[str]:
    """Every sample's classes one by one, then every step's commonest."""
    of_samples: list[list[str]] = [[] for _ in range(grid.samples)]
    ordered = sorted(annotations)
    for number, (onset, duration, text) in enumerate(ordered):
        end = onset + duration
        if options.annotation_span == "until_next":
            end = ordered[number + 1].onset_secs if number + 1 < len(ordered) else np.inf
        hits = [
            sample
            for sample in range(grid.samples)
            if onset <= grid.from_secs + sample / grid.rate_hz < end
        ]
        if not duration and options.annotation_span == "duration":
            after = [s for s in range(-999, 999) if grid.from_secs + s / grid.rate_hz >= onset]
            hits = [after[0]] if 0 <= after[0] < grid.samples else []
        for sample in hits:
            of_samples[sample].append(text)
    points_only = options.annotation_span == "duration" and not any(a[1] for a in annotations)
    steps = []
    for step in range(grid.steps):
        inside = of_samples[step * grid.window : (step + 1) * grid.window]
        if options.window_label == "last":
            inside = inside[-1:]
        votes: collections.Counter[str] = collections.Counter()
        for classes in inside:
            votes.update(classes)
            has_rest = not points_only and options.window_label != "any"
            if not classes and (has_rest or options.window_label == "last"):
                votes[options.unannotated] += 1
        if not votes:
            votes[options.unannotated] = 1
        steps.append(min(votes, key=lambda name: (-votes[name], name)))
    return steps


_TIMES = st.integers(-40, 200).map(lambda tenth: tenth / 8)  # Exact in binary.


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(_TIMES, st.sampled_from([0.0, 0.5, 1.0, 3.0, 9.0]), st.sampled_from("abz"))),
    st.sampled_from(["duration", "until_next"]),
    st.sampled_from(["majority", "last", "any"]),
    st.sampled_from([0.0, 1.5]),
    st.integers(4, 30),
    st.booleans(),
)
def test_steps_are_those_of_a_plain_loop(
    found: list[tuple[float, float, str]],
    span: str,
    window_label: str,
    from_secs: float,
    samples: int,
    keeps_tail: bool,
) -> None:
    annotations = [Annotation(*item) for item in found]
    if span == "until_next":  # Several at one time: the last of them counts.
        annotations = [*{a.onset_secs: a for a in sorted(annotations)}.values()]
    grid = Grid(from_secs, 4.0, samples, 4, -(-samples // 4) if keeps_tail else samples // 4)
    options = _options(annotation_span=span, window_label=window_label, unannotated="m")
    assert labels_of_steps(annotations, grid, options).tolist() == _loop(annotations, grid, options)


def test_shares_are_those_of_the_samples() -> None:
    rng = np.random.default_rng(0)
    names, samples = ("b", "none", "a"), 22
    annotations = [
        Annotation(rng.integers(-8, 40) / 8, rng.integers(0, 12) / 8, "ab"[number % 2])
        for number in range(9)
    ]
    expected = np.zeros((6, 3))
    for sample in range(samples):
        first = [-(-annotation.onset_secs * 4 // 1) for annotation in annotations]
        classes = {
            text
            for (onset, duration, text), point in zip(annotations, first, strict=True)
            if onset <= sample / 4 < onset + duration or (not duration and sample == point)
        }
        for name in classes or {"none"}:
            expected[sample // 4, names.index(name)] += 1
    expected /= np.array([4, 4, 4, 4, 4, 2])[:, np.newaxis]
    options = _options(window_label="share", class_names=names)
    found = labels_of_steps(annotations, Grid(0, 4.0, samples, 4, 6), options)
    np.testing.assert_array_equal(found, expected)
    only_b = _options(window_label="share", class_names=("b",), annotation_regex="b")
    found = labels_of_steps(annotations, Grid(0, 4.0, samples, 4, 6), only_b)
    np.testing.assert_array_equal(found, expected[:, :1])
    with pytest.raises(RejectedInputError, match="unknown class 'a' "):
        labels_of_steps(
            annotations,
            Grid(0, 4.0, samples, 4, 6),
            dataclasses.replace(only_b, annotation_regex=""),
        )
    with pytest.raises(UsageError, match="share needs --class_names"):
        _options(window_label="share")


def test_a_pattern_chooses_and_names_the_classes() -> None:
    annotations = [
        Annotation(0, 30, "Sleep stage W"),
        Annotation(30, 30, "Sleep stage 2"),
        Annotation(31, 0, "Lights off"),
    ]
    options = _options(annotation_regex=r"Sleep stage (\w)")
    grid = Grid(0, 1, 60, 30, 2)
    assert labels_of_steps(annotations, grid, options).tolist() == ["W", "2"]


def test_texts_without_end_are_no_classes() -> None:
    annotations = [Annotation(number, 1, f"note {number}") for number in range(2000)]
    with pytest.raises(RejectedInputError, match="2001 texts, too many for classes"):
        labels_of_steps(annotations, Grid(0, 4, 8000, 4, 2000), _options())


def test_a_time_that_floats_miss_is_met() -> None:
    annotations = [Annotation(0.1 * 3, 0.1, "a")]  # 0.30000000000000004 s is sample 3.
    options = AnnotationOptions("in", "out", "test", window_samples=1)
    assert labels_of_steps(annotations, Grid(0, 10, 5, 1, 5), options).tolist() == [
        "none", "none", "none", "a", "none",
    ]  # fmt: skip


def test_times_beyond_all_recordings_are_met() -> None:
    annotations = [Annotation(-1e308, 1.7e308 + 1e308, "a"), Annotation(1e300, 1e308, "b")]
    options = AnnotationOptions("in", "out", "test", window_samples=1)
    assert labels_of_steps(annotations, Grid(0, 10, 2, 1, 2), options).tolist() == ["a", "a"]

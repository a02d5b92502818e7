"""A recording and what is predicted of it: over time, and as the course of classes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes

from pipeline.console.figures import shortened
from pipeline.inspect.record_pictures import Panel, record_picture
from pipeline.inspect.samples import Sample, TimeAxis
from tfrecords_schema import LabelSpec
from trainer.report.kinds import shown_kind
from trainer.report.over_time import OverTime
from trainer.report.report_figures import draw_arrows

_HEIGHT = 1.4
_ROW_HEIGHT, _AROUND_ROWS = 0.17, 0.55  # Of a course: of each class, and of the rest.
_MAX_POINTS = 2_000
_MAX_ROWS = 20
_TRUE_COLOUR, _PREDICTED_COLOUR = "#94a3b8", "#1d4ed8"


def prediction_picture(
    sample: Sample, kind: str, axis: TimeAxis, label: LabelSpec, found: OverTime
) -> str | None:
    """A recording above what is predicted of it; None where nothing was predicted over time.

    Frames with two values are drawn with an arrow over the last of them: the true and the predicted
    vector.

    Args:
      sample: of the recording.
      kind: of the input.
      axis: of its time.
      label: what is predicted.
      found: the predictions.
    """
    axis = axis.fitting(sample.steps)
    if kind == "frames" and label.per == "record":
        return record_picture(sample, kind, axis, draw_over=_arrows(label, sample, found))
    if not len(found.steps):
        return None
    over = axis.of_label(label)
    edges, steps = np.append(0, found.steps) * over.unit, int(found.steps.max())
    draw = functools.partial(draw_prediction, edges=edges, found=found, label=label)
    below = [Panel(draw, _HEIGHT, over, steps)]
    rows = _rows(found) if label.is_single and label.per != "record" else ()
    if 0 < len(rows) <= _MAX_ROWS:
        course = functools.partial(draw_course, edges=edges, found=found, rows=rows, label=label)
        below.append(Panel(course, _AROUND_ROWS + _ROW_HEIGHT * len(rows), over, steps))
    arrows = _arrows(label, sample, found) if kind == "frames" else None
    return record_picture(sample, kind, axis, below, arrows)


def _arrows(label: LabelSpec, sample: Sample, found: OverTime) -> Callable[[Axes], None] | None:
    """Draws the vectors where a label is two values."""
    if label.class_names or found.prediction.shape[-1] != 2 or not len(found.prediction):
        return None
    vectors = {} if found.truth is None else {"true": found.truth.reshape(-1, 2)[-1]}
    vectors["predicted"] = found.prediction.reshape(-1, 2)[-1]
    return lambda axes: draw_arrows(axes, vectors, sample.data.shape[1:3])


def _rows(found: OverTime) -> Sequence[int]:
    """Classes of a course: all if they are few, else those that occur or are predicted."""
    classes = found.prediction.shape[1]
    if classes <= _MAX_ROWS:
        return range(classes)
    truth = np.zeros(0, int) if found.truth is None else found.truth
    occurring = np.union1d(found.answers, truth)
    return [*occurring[occurring >= 0].tolist()]


def draw_course(
    axes: Axes, edges: np.ndarray, found: OverTime, rows: Sequence[int], label: LabelSpec
) -> None:
    """The predicted and the true class as steps, a hypnogram: the first class is at the top.

    Args:
      axes: where.
      edges: `[points + 1]`, where each stretch begins and the last ends.
      found: with classes.
      rows: the classes that have a row.
      label: with their names.
    """
    lines = [("predicted", found.answers, _PREDICTED_COLOUR, 1.0)]
    if found.truth is not None:
        lines.insert(0, ("true", found.truth.reshape(-1), _TRUE_COLOUR, 3.0))
    for name, classes, colour, width in lines:
        starts = np.flatnonzero(np.diff(classes, prepend=-2))  # Nothing is lost: not by thinning.
        heights = np.searchsorted(np.asarray(rows), classes[starts]).astype(float)
        heights[classes[starts] < 0] = np.nan  # An answer that is not finite has no class.
        ends = np.append(edges[starts], edges[-1])
        axes.stairs(heights, ends, baseline=None, color=colour, linewidth=width, label=name)
    names = [shortened(label.class_names[row]) for row in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=8)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="y", alpha=0.25)
    axes.legend(
        loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=8,
        borderaxespad=0.1,
    )  # fmt: skip


def draw_prediction(axes: Axes, edges: np.ndarray, found: OverTime, label: LabelSpec) -> None:
    """Probabilities or values over time, with the truth; of many points some.

    Args:
      axes: where.
      edges: `[points + 1]`, see `draw_course`.
      found: the predictions.
      label: what is predicted.
    """
    if len(found.steps) > _MAX_POINTS:
        at = np.linspace(0, len(found.steps) - 1, _MAX_POINTS).astype(int)
        truth = None if found.truth is None else found.truth[at]
        edges = np.append(edges[0], edges[1:][at])
        found = OverTime(found.steps[at], truth, found.prediction[at])
    shown_kind(label.kind).draw(axes, edges, found)

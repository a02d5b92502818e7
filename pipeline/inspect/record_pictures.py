"""Pictures of records: their frames or channels, and below them what has the same time."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from pipeline.console.figures import (
    CLASS_COLOURS,
    MAX_LINES,
    channel_colours,
    draw_channel,
    png,
    shortened,
    whole_numbers,
)
from pipeline.inspect.samples import Sample, TimeAxis
from tfrecords_schema import RecordSchema
from tfrecords_schema.labels import Head, apart

_WIDTH = 5.6
_SIGNAL_HEIGHT, _BAND_HEIGHT, _VALUES_HEIGHT = 2.2, 0.8, 1.6
_CHANNEL_HEIGHT = 0.6  # Of one of several, at least.
_MAX_POINTS = 2_000
_MIN_COLUMNS = 3


def sample_picture(sample: Sample, schema: RecordSchema, axis: TimeAxis) -> str:
    """A record, and below it each label that has a time axis."""
    axis = axis.fitting(sample.steps)
    panels = []
    if schema.label is not None and sample.label is not None:
        heads = apart(schema.label, sample.label)
        panels = [
            _label_panel(head, label, axis) for head, label in heads if head.label.per != "record"
        ]
    return record_picture(sample, schema.input.kind, axis, panels)


def _label_panel(head: Head, label: np.ndarray, axis: TimeAxis) -> "Panel":
    is_single, axis = head.label.is_single, axis.of_label(head.label)

    def draw(axes: Axes) -> None:
        draw_label = _draw_classes if is_single else _draw_values
        draw_label(axes, label, axis.unit)
        axes.set_ylabel(shortened(head.name) or "label")

    height = _BAND_HEIGHT if is_single else _VALUES_HEIGHT
    return Panel(draw, height, axis, max(len(label), 1))


class Panel(NamedTuple):
    """One pair of axes of several below each other.

    Attributes:
      draw: draws on them.
      height: in inches.
      axis: of their time.
      steps: after which that ends; 0 for axes without time.
    """

    draw: Callable[[Axes], None]
    height: float
    axis: TimeAxis
    steps: int


def record_picture(
    sample: Sample,
    kind: str,
    axis: TimeAxis,
    below: Sequence[Panel] = (),
    draw_over: Callable[[Axes], None] | None = None,
) -> str:
    """A record: its frames or an axis for each channel of its signal, and what is said of it.

    Args:
      sample: of the record.
      kind: of the input.
      axis: of its time.
      below: what is drawn below it.
      draw_over: draws over the last of the frames.
    """
    is_frames = kind == "frames"
    strip = _strip_height(sample.data) if is_frames else 0.0
    panels = [*([] if is_frames else _input_panels(sample, axis)), *below]
    height = sum(panel.height for panel in panels)

    def draw(figure: Figure) -> None:
        if is_frames and panels:
            parts = figure.subfigures(2, 1, height_ratios=[strip, height], squeeze=False)
            top, rest = parts[:, 0]
            _draw_frames(top, sample, draw_over)
            _draw_panels(rest, panels)
        elif is_frames:
            _draw_frames(figure, sample, draw_over)
        else:
            _draw_panels(figure, panels)

    return png(draw, (_WIDTH, strip + height))


def _draw_panels(figure: Figure | SubFigure, panels: Sequence[Panel]) -> None:
    """Panels below each other; of those with one time the last alone names it."""
    heights = [panel.height for panel in panels]
    every = np.ravel(figure.subplots(len(panels), 1, height_ratios=heights))
    for number, (axes, panel) in enumerate(zip(every, panels, strict=True)):
        panel.draw(axes)
        if not panel.steps:
            continue
        label_time(axes, panel.axis, panel.steps)
        if [other[2:] for other in panels[number + 1 : number + 2]] == [panel[2:]]:
            axes.set_xlabel("")
            axes.tick_params(axis="x", labelbottom=False)
    figure.align_ylabels()


def _strip_height(frames: np.ndarray) -> float:
    height, width = frames.shape[1:3]
    return _WIDTH / max(len(frames), _MIN_COLUMNS) * height / width + 0.35


def _draw_frames(
    figure: Figure | SubFigure, sample: Sample, draw_over: Callable[[Axes], None] | None
) -> None:
    panels = figure.subplots(1, max(len(sample.data), _MIN_COLUMNS))
    for panel in panels:
        panel.set_axis_off()
    for panel, frame, step in zip(panels, sample.data, sample.shown_steps, strict=False):
        panel.imshow(frame)
        panel.set_title(f"{step + 1} of {sample.steps}", fontsize=8, loc="center")
    if draw_over:
        draw_over(panels[len(sample.data) - 1])


def _input_panels(sample: Sample, axis: TimeAxis) -> list[Panel]:
    """A panel for each channel; of very many for the first ones."""
    values = axis.unroll(sample.data).astype(np.float64)
    channels = values.shape[1]
    if len(values) == 1 and channels > 1:
        return [Panel(functools.partial(_draw_step, values[0]), _SIGNAL_HEIGHT, axis, 0)]
    shown = min(channels, MAX_LINES)
    names = axis.channels if len(axis.channels) == channels else _numbered(channels)
    height = max(_SIGNAL_HEIGHT / shown, _CHANNEL_HEIGHT)

    def panel(number: int) -> Panel:
        def draw(axes: Axes) -> None:
            colour = channel_colours(shown)[number]
            draw_channel(axes, values[:, number], sample.steps * axis.unit, colour, names[number])
            axes.yaxis.set_major_locator(MaxNLocator(2 if height < _SIGNAL_HEIGHT / 2 else 5))
            if number == 0 and channels > shown:
                text = f"the first {shown} of {channels} channels"
                axes.set_title(text, fontsize=8, fontweight="normal")

        return Panel(draw, height, axis, sample.steps)

    return [panel(number) for number in range(shown)]


def _numbered(channels: int) -> list[str]:
    return ["signal"] if channels == 1 else [f"channel {i}" for i in range(channels)]


def _draw_step(values: np.ndarray, axes: Axes) -> None:
    axes.plot(values, linewidth=0.7, marker=".")
    axes.set(xlabel="element of the only step", ylabel="signal")


def label_time(axes: Axes, axis: TimeAxis, steps: int) -> None:
    """Names a time axis, which ends after so many steps."""
    axes.set(xlabel=axis.name, xlim=(0, steps * axis.unit))
    if not axis.step_secs:
        axes.xaxis.set_major_locator(whole_numbers())


def _draw_classes(axes: Axes, classes: np.ndarray, unit: float) -> None:
    colours = np.array([to_rgb(colour) for colour in CLASS_COLOURS])
    is_known = (classes >= 0)[:, np.newaxis]
    band = np.where(is_known, colours[classes % len(colours)], 1.0)[np.newaxis]
    extent = (0, len(classes) * unit, 0, 1)
    axes.imshow(band, extent=extent, aspect="auto", interpolation="nearest")
    axes.set_yticks([])


def _draw_values(axes: Axes, values: np.ndarray, unit: float) -> None:
    values = values.reshape(len(values), -1)[:, :MAX_LINES]
    at = np.linspace(0, len(values) - 1, min(len(values), _MAX_POINTS)).astype(int)
    values, times = values[at], (at + 0.5) * unit
    for number, colour in zip(range(values.shape[1]), CLASS_COLOURS * 2, strict=False):
        axes.plot(times, values[:, number], color=colour, linewidth=1, marker=".", markersize=3)

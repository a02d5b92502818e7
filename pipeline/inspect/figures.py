"""Pictures of lengths, of records with their labels, and of the batches of an epoch."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure, SubFigure

from pipeline.batches.deal import deal_batch
from pipeline.batches.plan import EpochPlan
from pipeline.console.figures import (
    CLASS_COLOURS,
    MARK_COLOUR,
    MAX_LINES,
    draw_signal,
    png,
    svg,
    whole_numbers,
)
from pipeline.inspect.facts import Lengths
from pipeline.inspect.plan import EpochFacts
from pipeline.inspect.samples import Sample, TimeAxis
from tfrecords_schema import RecordSchema

_WIDTH = 5.6
_SIGNAL_HEIGHT, _BAND_HEIGHT, _VALUES_HEIGHT = 2.2, 0.8, 1.6
_PADDING_COLOUR = "#cbd5e1"
_MAX_PIXELS = 600
_MAX_POINTS = 2_000
_MIN_COLUMNS = 3
_MAX_SEPARATED_ROWS = 64


def lengths_picture(lengths: Lengths, boundaries: Sequence[int], axis: TimeAxis) -> str:
    """Records by length, with the boundaries of the length buckets.

    Args:
      lengths: of a split.
      boundaries: steps to which the records of each bucket are padded.
      axis: of the input, for a second axis in seconds where lengths are those of the input.
    """

    def draw(axes: Axes) -> None:
        steps, records = map(np.array, zip(*lengths.histogram.items(), strict=True))
        span = int(steps.max() - steps.min()) + 1
        edges = np.linspace(steps.min() - 0.5, steps.max() + 0.5, min(span, 60) + 1)
        axes.hist(
            steps, edges.tolist(), weights=records, color="#93c5fd", edgecolor="white",
            linewidth=0.4,
        )  # fmt: skip
        for boundary in boundaries:
            axes.axvline(boundary + 0.5, color=MARK_COLOUR, linewidth=1, linestyle="--")
        axes.xaxis.set_major_locator(whole_numbers())
        axes.yaxis.set_major_locator(whole_numbers())
        what = "label" if lengths.of_labels else "recording"
        axes.set(xlabel=f"steps of a {what}", ylabel="recordings")
        if axis.step_secs and not lengths.of_labels:
            to_secs, to_steps = (lambda x: x * axis.unit, lambda x: x / axis.unit)
            axes.secondary_xaxis("top", functions=(to_secs, to_steps)).set_xlabel("seconds")

    return svg(draw, (5.2, 3.0))


def sample_picture(sample: Sample, schema: RecordSchema, axis: TimeAxis) -> str:
    """A record, and below it the label if that has a time axis."""
    label = schema.label
    if label is None or label.per == "record":
        return record_picture(sample, schema.input.kind, axis)

    def draw(axes: Axes) -> None:
        assert sample.label is not None
        draw_label = _draw_classes if label.kind == "class" else _draw_values
        draw_label(axes, sample.label, axis.of_label(label).unit)
        label_time(axes, axis.of_label(label), max(len(sample.label), 1))
        axes.set_ylabel("label")

    height = _BAND_HEIGHT if label.kind == "class" else _VALUES_HEIGHT
    return record_picture(sample, schema.input.kind, axis, draw, height)


def record_picture(
    sample: Sample,
    kind: str,
    axis: TimeAxis,
    draw_below: Callable[[Axes], None] | None = None,
    height: float = 0.0,
    draw_over: Callable[[Axes], None] | None = None,
) -> str:
    """A record: its signal or frames, and what is said of it.

    Args:
      sample: of the record.
      kind: of the input.
      axis: of its time.
      draw_below: draws below it, with a time axis of its own.
      height: of that, in inches.
      draw_over: draws over the last of the frames.
    """
    is_frames = kind == "frames"
    heights = [_strip_height(sample.data) if is_frames else _SIGNAL_HEIGHT]
    heights += [height] if draw_below else []

    def draw(figure: Figure) -> None:
        if is_frames:
            parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
            _draw_frames(parts[0], sample, draw_over)
            panels = [part.add_subplot() for part in parts[1:]]
        else:
            first, *panels = np.ravel(figure.subplots(len(heights), 1, height_ratios=heights))
            _draw_input(first, sample, axis)
        for panel in panels:
            assert draw_below is not None
            draw_below(panel)

    return png(draw, (_WIDTH, sum(heights)))


def batches_picture(epoch: EpochFacts, batches: int) -> str:
    """The first batches of an epoch; see `draw_batches`."""
    replicas = epoch.records.shape[1]

    def draw(figure: Figure) -> None:
        draw_batches(figure.add_subplot(), epoch.plan, epoch.lengths, replicas, batches)

    return png(draw, (11.0, 3.0))


def draw_batches(
    axes: Axes, plan: EpochPlan, lengths: np.ndarray, replicas: int, batches: int
) -> None:
    """Batches side by side: a row for each record, coloured by its replica, padding grey.

    Args:
      axes: where.
      plan: of an epoch.
      lengths: `[records]` steps that the plan was made by.
      replicas: that share each batch.
      batches: draw so many, from the first on.
    """
    number = min(batches, plan.num_steps)
    gap = max(1.0, 0.02 * float(plan.padded_steps[:number].sum()))
    left, middles = 0.0, []
    for step in range(number):
        padded = int(plan.padded_steps[step])
        image = _batch_image(lengths[plan.rows(step)], padded, replicas)
        axes.imshow(
            image, extent=(left, left + padded, len(plan.rows(step)), 0), aspect="auto",
            interpolation="nearest",
        )  # fmt: skip
        if len(image) <= _MAX_SEPARATED_ROWS:
            borders = np.arange(1, len(image)).tolist()
            axes.hlines(borders, left, left + padded, color="white", linewidth=0.5)
        middles.append(left + padded / 2)
        left += padded + gap
    names = [f"{step}\n{padded}" for step, padded in enumerate(plan.padded_steps[:number])]
    axes.set_xticks(middles, names)
    most = int(np.diff(plan.step_starts[: number + 1]).max())
    axes.set(xlim=(-gap, left), ylim=(most, 0), ylabel="records", xlabel="batch, padded steps")
    axes.yaxis.set_major_locator(whole_numbers())
    axes.tick_params(axis="x", length=0)


def _batch_image(lengths: np.ndarray, padded: int, replicas: int) -> np.ndarray:
    """`[rows, pixels, 3]`: the rows of each replica together, the longest first."""
    pixels = min(padded, _MAX_PIXELS)
    ends = (np.arange(pixels) + 0.5) * padded / pixels
    rows = []
    for replica, positions in enumerate(deal_batch(lengths, replicas)):
        colour = to_rgb(CLASS_COLOURS[replica % len(CLASS_COLOURS)])
        for length in -np.sort(-lengths[positions]):
            is_valid = (ends < length)[:, np.newaxis]
            rows.append(np.where(is_valid, colour, to_rgb(_PADDING_COLOUR)))
    return np.stack(rows)


def _strip_height(frames: np.ndarray) -> float:
    height, width = frames.shape[1:3]
    return _WIDTH / max(len(frames), _MIN_COLUMNS) * height / width + 0.35


def _draw_frames(
    figure: SubFigure, sample: Sample, draw_over: Callable[[Axes], None] | None
) -> None:
    panels = figure.subplots(1, max(len(sample.data), _MIN_COLUMNS))
    for panel in panels:
        panel.set_axis_off()
    for panel, frame, step in zip(panels, sample.data, sample.shown_steps, strict=False):
        panel.imshow(frame)
        panel.set_title(f"{step + 1} of {sample.steps}", fontsize=8, loc="center")
    if draw_over:
        draw_over(panels[len(sample.data) - 1])


def _draw_input(axes: Axes, sample: Sample, axis: TimeAxis) -> None:
    values = axis.unroll(sample.data).astype(np.float64)
    if len(values) == 1 and values.shape[1] > 1:
        axes.plot(values[0], linewidth=0.7, marker=".")
        axes.set(xlabel="element of the only step", ylabel="signal")
        return
    draw_signal(axes, values, sample.steps * axis.unit)
    label_time(axes, axis, sample.steps)


def label_time(axes: Axes, axis: TimeAxis, steps: int) -> None:
    """Names a time axis, which ends after so many steps."""
    axes.set(xlabel=axis.name, xlim=(0, steps * axis.unit))
    if not axis.step_secs:
        axes.xaxis.set_major_locator(whole_numbers())


def _draw_classes(axes: Axes, classes: np.ndarray, unit: float) -> None:
    colours = np.array([to_rgb(colour) for colour in CLASS_COLOURS])
    band = colours[classes % len(colours)][np.newaxis]
    extent = (0, len(classes) * unit, 0, 1)
    axes.imshow(band, extent=extent, aspect="auto", interpolation="nearest")
    axes.set_yticks([])


def _draw_values(axes: Axes, values: np.ndarray, unit: float) -> None:
    values = values.reshape(len(values), -1)[:, :MAX_LINES]
    at = np.linspace(0, len(values) - 1, min(len(values), _MAX_POINTS)).astype(int)
    values, times = values[at], (at + 0.5) * unit
    for number, colour in zip(range(values.shape[1]), CLASS_COLOURS * 2, strict=False):
        axes.plot(times, values[:, number], color=colour, linewidth=1, marker=".", markersize=3)

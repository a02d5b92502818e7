"""Pictures of lengths, and of the batches of an epoch."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from pipeline.batches.deal import deal_batch
from pipeline.batches.plan import EpochPlan
from pipeline.console.figures import CLASS_COLOURS, MARK_COLOUR, png, svg, whole_numbers
from pipeline.inspect.facts import Lengths
from pipeline.inspect.plan import EpochFacts
from pipeline.inspect.samples import TimeAxis

_PADDING_COLOUR = "#cbd5e1"
_MAX_PIXELS = 600
_MAX_SEPARATED_ROWS = 64


def lengths_picture(lengths: Lengths, boundaries: Sequence[int], axis: TimeAxis) -> str:
    """Records by length, with the boundaries of the length buckets.

    Args:
      lengths: of a split.
      boundaries: steps to which the records of each bucket are padded.
      axis: of the input, for a second axis in time where lengths are those of the input.
    """
    axis = axis.fitting(max(lengths.histogram))

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
            axes.secondary_xaxis("top", functions=(to_secs, to_steps)).set_xlabel(axis.name)

    return svg(draw, (5.2, 3.0))


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

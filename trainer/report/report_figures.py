"""The report's pictures."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from pipeline.console.figures import CLASS_COLOURS, MAIN_COLOUR, MAX_LINES, svg, whole_numbers

_VALIDATION_COLOUR = "#ea580c"
_MAX_POINTS = 2_000


def training_curve(
    name: str,
    epochs: Sequence[int],
    train: Sequence[float | None],
    validation: Sequence[float | None],
) -> str:
    """One metric over epochs, for the training and, where there is one, the validation split."""

    def draw(axes: Axes) -> None:
        marker = "o" if len(epochs) < 3 else ""
        axes.plot(
            epochs, np.array(train, float), color=MAIN_COLOUR, marker=marker, label="training"
        )
        if any(value is not None for value in validation):
            measured = ~np.isnan(values := np.array(validation, float))
            at = np.array(epochs)[measured]
            axes.plot(
                at, values[measured], color=_VALIDATION_COLOUR, marker=marker, label="validation"
            )
        axes.set(title=name, xlabel="epoch")
        axes.xaxis.set_major_locator(whole_numbers())
        axes.grid(alpha=0.25)
        axes.legend(frameon=False)

    return svg(draw, (5.2, 3.0))


def scatter(truth: np.ndarray, prediction: np.ndarray, name: str) -> str:
    """Predicted against true values of one unit: `truth`, `prediction`: `[labels]`."""
    chosen = np.linspace(0, len(truth) - 1, min(len(truth), _MAX_POINTS)).astype(int)

    def draw(axes: Axes) -> None:
        axes.scatter(truth[chosen], prediction[chosen], s=9, alpha=0.45, color=MAIN_COLOUR)
        ends = [min(truth.min(), prediction.min()), max(truth.max(), prediction.max())]
        axes.plot(ends, ends, color="#64748b", linewidth=1, linestyle="--")
        axes.set(title=name, xlabel="true", ylabel="predicted")
        axes.grid(alpha=0.25)

    return svg(draw, (4.2, 3.8))


def draw_arrows(axes: Axes, vectors: Mapping[str, np.ndarray], frame_size: tuple[int, ...]) -> None:
    """Vectors as arrows from the middle of a frame's lower edge.

    Args:
      axes: that have the frame.
      vectors: name to `[2]`: to the right, and ahead (up in the picture); the longest spans 0.6 of
        the frame's height.
      frame_size: (height, width).
    """
    height, width = frame_size
    longest = max(float(np.hypot(*vector)) for vector in vectors.values())
    scale = 0.6 * height / max(longest, 1e-9)
    for (name, (right, ahead)), colour in zip(vectors.items(), ("white", "red"), strict=False):
        start = (width / 2, 0.95 * height)
        end = (start[0] + right * scale, start[1] - ahead * scale)
        style = {"arrowstyle": "-|>", "color": colour, "linewidth": 2}
        axes.annotate("", end, start, arrowprops=style)
        axes.plot([], [], color=colour, label=name)
    axes.legend(loc="upper left", fontsize=6, facecolor="gray", labelcolor="white")


def draw_lines(
    axes: Axes, edges: np.ndarray, prediction: np.ndarray, truth: np.ndarray | None, what: str
) -> None:
    """Predictions `[points, units]` as solid lines, what is true of them dashed.

    Args:
      axes: where.
      edges: `[points + 1]`, where each stretch begins and the last ends.
      prediction: of some units the lines.
      truth: `[points, ...]`; None where it is not known.
      what: is drawn.
    """
    for unit in range(min(prediction.shape[1], MAX_LINES)):
        colour = CLASS_COLOURS[unit % len(CLASS_COLOURS)]
        axes.plot(edges[1:], prediction[:, unit], color=colour, linewidth=1.3)
        if truth is not None:
            true = truth.reshape(prediction.shape)[:, unit]
            axes.plot(edges[1:], true, color=colour, linewidth=1, linestyle="--")
    axes.set_ylabel(what if truth is None else f"{what} (true: dashed)")

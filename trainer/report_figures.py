"""The report's pictures, as data URIs: they need no files beside the page and no network."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

TRAIN_COLOUR, VALIDATION_COLOUR, MARK_COLOUR = "#2563eb", "#ea580c", "#be123c"
CLASS_COLOURS = (
    "#4e79a7",
    "#f28e2b",
    "#59a14f",
    "#e15759",
    "#76b7b2",
    "#edc948",
    "#b07aa1",
    "#ff9da7",
    "#9c755f",
    "#bab0ac",
)
_MAX_POINTS = 2_000
_STRIP_FRAMES = 4
_MAX_LINES = 12
_STYLE: Any = {
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#94a3b8",
    "axes.labelcolor": "#334155",
    "xtick.color": "#475569",
    "ytick.color": "#475569",
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "svg.hashsalt": "report",
}


def training_curve(
    name: str, epochs: Sequence[int], train: Sequence[float], validation: Sequence[float | None]
) -> str:
    """One metric over epochs, for the training and, where there is one, the validation split."""

    def draw(axes: Axes) -> None:
        marker = "o" if len(epochs) < 3 else ""
        axes.plot(epochs, train, color=TRAIN_COLOUR, marker=marker, label="training")
        if any(value is not None for value in validation):
            values = np.array(validation, float)
            axes.plot(epochs, values, color=VALIDATION_COLOUR, marker=marker, label="validation")
        axes.set(title=name, xlabel="epoch")
        axes.xaxis.set_major_locator(_whole_numbers())
        axes.grid(alpha=0.25)
        axes.legend(frameon=False)

    return _svg(draw, (5.2, 3.0))


def length_histogram(
    histogram: dict[int, int], boundaries: Sequence[int], unit_secs: float | None
) -> str:
    """Records by length, with the boundaries of the length buckets.

    Args:
      histogram: number of records for each number of steps.
      boundaries: steps to which the records of each bucket are padded.
      unit_secs: duration of a step, for a second axis, if it is known.
    """

    def draw(axes: Axes) -> None:
        lengths = np.repeat(list(histogram), list(histogram.values()))
        span = int(lengths.max() - lengths.min()) + 1
        edges = np.linspace(lengths.min() - 0.5, lengths.max() + 0.5, min(span, 60) + 1)
        axes.hist(lengths, edges.tolist(), color="#93c5fd", edgecolor="white", linewidth=0.4)
        for boundary in boundaries:
            axes.axvline(boundary + 0.5, color=MARK_COLOUR, linewidth=1, linestyle="--")
        axes.xaxis.set_major_locator(_whole_numbers())
        axes.set(xlabel="steps of a recording", ylabel="recordings")
        axes.yaxis.set_major_locator(_whole_numbers())
        if unit_secs:
            convert = (lambda steps: steps * unit_secs, lambda secs: secs / unit_secs)
            axes.secondary_xaxis("top", functions=convert).set_xlabel("seconds")

    return _svg(draw, (5.2, 3.0))


def scatter(truth: np.ndarray, prediction: np.ndarray, name: str) -> str:
    """Predicted against true values of one unit: `truth`, `prediction`: `[labels]`."""
    chosen = np.linspace(0, len(truth) - 1, min(len(truth), _MAX_POINTS)).astype(int)

    def draw(axes: Axes) -> None:
        axes.scatter(truth[chosen], prediction[chosen], s=9, alpha=0.45, color=TRAIN_COLOUR)
        ends = [min(truth.min(), prediction.min()), max(truth.max(), prediction.max())]
        axes.plot(ends, ends, color="#64748b", linewidth=1, linestyle="--")
        axes.set(title=name, xlabel="true", ylabel="predicted")
        axes.grid(alpha=0.25)

    return _svg(draw, (4.2, 3.8))


def recording(
    signal: np.ndarray | None,
    duration: float,
    axis_name: str,
    times: np.ndarray,
    prediction: np.ndarray,
    truth: np.ndarray,
    classes: int,
) -> str:
    """A recording's signal above its prediction over time.

    Args:
      signal: `[samples, channels]`, or None to leave it out.
      duration: where the recording ends on the time axis.
      axis_name: what the time axis counts, such as "seconds".
      times: `[points]` end of the stretch that each prediction is about or has seen.
      prediction: `[points, units]` probabilities or values.
      truth: `[points]` true classes, `[points, units]` true values.
      classes: number of classes, 0 for values.
    """

    def draw(figure: Figure) -> None:
        heights = [3, 2] if signal is not None else [1]
        panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)
        if signal is not None:
            _draw_signal(panels[0, 0], signal, duration)
        draw_prediction = _draw_classes if classes else _draw_values
        draw_prediction(panels[-1, 0], np.append(0, times), prediction, truth)
        panels[-1, 0].set(xlabel=axis_name, xlim=(0, duration))

    return _png(draw, (5.6, 3.4 if signal is not None else 1.8))


def frame_strip(frames: np.ndarray, arrows: dict[str, np.ndarray]) -> str:
    """A few frames of a recording, and vectors drawn as arrows over the last of them.

    Args:
      frames: `[time, height, width, 3]` uint8.
      arrows: name to `[2]`: to the right, and ahead (up in the picture).
    """
    shown = frames[np.unique(np.linspace(0, len(frames) - 1, _STRIP_FRAMES).astype(int))]

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, len(shown), squeeze=False)[0]
        for axes, frame in zip(panels, shown, strict=True):
            axes.imshow(frame)
            axes.set_axis_off()
        if arrows:
            _draw_arrows(panels[-1], arrows, *shown.shape[1:3])

    return _png(draw, (5.6, 5.6 / len(shown) * shown.shape[1] / shown.shape[2] + 0.3))


def _draw_arrows(axes: Axes, arrows: dict[str, np.ndarray], height: int, width: int) -> None:
    """From the middle of the lower edge; the longest spans 0.6 of the frame's height."""
    longest = max(float(np.hypot(*vector)) for vector in arrows.values())
    scale = 0.6 * height / max(longest, 1e-9)
    for (name, (right, ahead)), colour in zip(arrows.items(), ("white", "red"), strict=False):
        start = (width / 2, 0.95 * height)
        end = (start[0] + right * scale, start[1] - ahead * scale)
        style = {"arrowstyle": "-|>", "color": colour, "linewidth": 2}
        axes.annotate("", end, start, arrowprops=style)
        axes.plot([], [], color=colour, label=name)
    axes.legend(loc="upper left", fontsize=6, facecolor="gray", labelcolor="white")


def _draw_signal(axes: Axes, signal: np.ndarray, duration: float) -> None:
    stride = max(1, len(signal) // _MAX_POINTS)
    ends = (np.arange(len(signal)) + 0.5) * duration / len(signal)
    shown = min(signal.shape[1], _MAX_LINES)
    # Other colours than those of the classes below.
    colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, shown))
    for channel, colour in enumerate(colours):
        axes.plot(ends[::stride], signal[::stride, channel], color=colour, linewidth=0.7)
    left_out = signal.shape[1] - _MAX_LINES
    axes.set_ylabel(f"signal ({left_out} more)" if left_out > 0 else "signal")


def _draw_classes(axes: Axes, edges: np.ndarray, prediction: np.ndarray, truth: np.ndarray) -> None:
    """Class probabilities as a stacked band; the true class as a strip above it."""
    shares = prediction / np.maximum(prediction.sum(1, keepdims=True), 1e-9)
    tops = np.cumsum(shares, 1)
    for number in range(shares.shape[1]):
        colour = CLASS_COLOURS[number % len(CLASS_COLOURS)]
        low = tops[:, number] - shares[:, number]
        axes.stairs(tops[:, number], edges, baseline=low, fill=True, color=colour)
        is_true = np.where(truth == number, 1.2, 1.06)
        axes.stairs(is_true, edges, baseline=1.06, fill=True, color=colour)
    axes.set(ylim=(0, 1.2), ylabel="probability", yticks=[0, 0.5, 1.13])
    axes.set_yticklabels(["0", "0.5", "true"])


def _draw_values(axes: Axes, edges: np.ndarray, prediction: np.ndarray, truth: np.ndarray) -> None:
    """Predicted values as solid lines, true ones dashed."""
    for unit in range(min(prediction.shape[1], _MAX_LINES)):
        colour = CLASS_COLOURS[unit % len(CLASS_COLOURS)]
        axes.plot(edges[1:], prediction[:, unit], color=colour, linewidth=1.3)
        axes.plot(edges[1:], truth[:, unit], color=colour, linewidth=1, linestyle="--")
    axes.set_ylabel("value (true: dashed)")


def _whole_numbers() -> MaxNLocator:
    return MaxNLocator(integer=True, steps=[1, 2, 5, 10])


def _svg(draw: Any, size: tuple[float, float]) -> str:
    return _data_uri(lambda figure: draw(figure.add_subplot()), size, "svg", {"Date": None})


def _png(draw: Any, size: tuple[float, float]) -> str:
    return _data_uri(draw, size, "png", {"Software": None})


def _data_uri(
    draw: Any, size: tuple[float, float], image_format: str, metadata: dict[str, Any]
) -> str:
    """Draws on a figure of its own: no pyplot, so nothing global and no display is needed."""
    buffer = io.BytesIO()
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained", dpi=160)
        draw(figure)
        figure.savefig(buffer, format=image_format, metadata=metadata)
    kind = {"svg": "svg+xml", "png": "png"}[image_format]
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"

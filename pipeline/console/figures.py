"""Pictures as data URIs, which need no files beside the page and no network; and as files."""

import base64
import io
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

MAIN_COLOUR, MARK_COLOUR = "#2563eb", "#be123c"
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
MAX_LINES = 12
_MAX_STRETCHES = 1_000
_MAX_MARKED_POINTS = 30
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
    "pdf.fonttype": 42,  # TrueType: journals refuse matplotlib's default.
}
# The same picture is the same bytes on any day.
_NO_DATE: dict[str, Any] = {
    "svg": {"Date": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None},
}


def draw_channel(axes: Axes, signal: np.ndarray, duration: float, colour: Any, name: str) -> None:
    """A line; of many samples the least and the greatest of each stretch.

    Args:
      axes: where.
      signal: `[samples]`.
      duration: where the signal ends on the time axis.
      colour: of the line.
      name: of the channel.
    """
    values = _extremes(signal[:, np.newaxis])[:, 0]
    times = (np.arange(len(values)) + 0.5) * duration / max(len(values), 1)
    marker = "." if len(values) <= _MAX_MARKED_POINTS else ""
    axes.plot(times, values, color=colour, linewidth=0.7, marker=marker)
    axes.set_ylabel(shortened(name), rotation=0, ha="right", va="center")


def channel_colours(number: int) -> np.ndarray:
    """Other colours than those of the classes, `[number, 4]`."""
    return matplotlib.colormaps["viridis"](np.linspace(0, 0.9, number))


def shortened(name: str, most: int = 18) -> str:
    """A name that leaves room for the picture beside it."""
    return name if len(name) <= most else f"{name[: most - 3]}..."


def _extremes(signal: np.ndarray) -> np.ndarray:
    """`[points, channels]`: so few points that they can be drawn, and no peak is lost."""
    size = -(-len(signal) // _MAX_STRETCHES)
    if size <= 2:
        return signal
    starts = np.arange(0, len(signal), size)
    ends = [np.minimum.reduceat(signal, starts), np.maximum.reduceat(signal, starts)]
    return np.stack(ends, axis=1).reshape(-1, signal.shape[1])


def whole_numbers() -> MaxNLocator:
    """Ticks at whole numbers."""
    return MaxNLocator(integer=True, steps=[1, 2, 5, 10])


class Picture(str):
    """A picture as a data URI, which can be drawn once more as a file."""

    _draw: Callable[[Figure], None]
    _size: tuple[float, float]

    @classmethod
    def drawn(
        cls, draw: Callable[[Figure], None], size: tuple[float, float], image_format: str
    ) -> "Picture":
        """Draws it.

        Args:
          draw: on a whole figure.
          size: width and height, in inches.
          image_format: `svg`, sharp at any size, or `png`, small whatever is drawn.
        """
        kind = {"svg": "svg+xml", "png": "png"}[image_format]
        content = base64.b64encode(_image(draw, size, image_format)).decode()
        picture = cls(f"data:image/{kind};base64,{content}")
        picture._draw, picture._size = draw, size
        return picture

    def content(self, image_format: str) -> bytes:
        """What a file in that format holds, `svg` or `pdf`."""
        if image_format == "svg" and self.startswith("data:image/svg"):
            return base64.b64decode(self.partition(",")[2])
        return _image(self._draw, self._size, image_format)


def svg(draw: Callable[[Axes], None], size: tuple[float, float]) -> Picture:
    """Draws on one pair of axes; for what has few lines and points."""
    return Picture.drawn(lambda figure: draw(figure.add_subplot()), size, "svg")


def png(draw: Callable[[Figure], None], size: tuple[float, float]) -> Picture:
    """Draws on a whole figure; for what has many."""
    return Picture.drawn(draw, size, "png")


def _image(draw: Callable[[Figure], None], size: tuple[float, float], image_format: str) -> bytes:
    """Draws on a figure of its own: no pyplot, so nothing global and no display is needed."""
    buffer = io.BytesIO()
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained", dpi=160)
        draw(figure)
        figure.savefig(buffer, format=image_format, metadata=_NO_DATE[image_format])
    return buffer.getvalue()

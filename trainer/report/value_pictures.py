"""Pictures of errors of values: limits of agreement, over the length of a record, by group."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from pipeline.console.figures import MAIN_COLOUR, MARK_COLOUR, svg

_SIZE = (4.4, 3.9)
_MOST_POINTS = 1_000
_MOST_GROUPS = 25
_SOFT = "#64748b"


def agreement_picture(
    truth: np.ndarray, prediction: np.ndarray, limits: Mapping[str, float], name: str
) -> str:
    """Bland and Altman's: differences over means of predicted and true values, `[labels]` each.

    Args:
      truth: of one component.
      prediction: likewise.
      limits: one of `agreement`.
      name: of the component.
    """
    chosen = _few(len(truth))

    def draw(axes: Axes) -> None:
        true, predicted = (values[chosen].astype(np.float64) for values in (truth, prediction))
        means = (true + predicted) / 2
        axes.scatter(means, predicted - true, s=9, alpha=0.45, color=MAIN_COLOUR)
        for key, style in (("bias", "-"), ("low", "--"), ("high", "--")):
            axes.axhline(limits[key], color=MARK_COLOUR, linewidth=1, linestyle=style)
            axes.annotate(
                f"{limits[key]:.3g}", (1, limits[key]), xycoords=("axes fraction", "data"),
                ha="right", va="bottom", color=MARK_COLOUR, fontsize=8,
            )  # fmt: skip
        axes.set(
            title=f"Agreement, {name}", xlabel="mean of predicted and true",
            ylabel="predicted - true",
        )  # fmt: skip
        axes.grid(alpha=0.25)

    return svg(draw, _SIZE)


def error_over_length(steps: np.ndarray, errors: np.ndarray) -> str:
    """RMSE of each record over its number of steps, `[records]` both."""
    known = np.flatnonzero(np.isfinite(errors))
    chosen = known[_few(len(known))]

    def draw(axes: Axes) -> None:
        axes.scatter(steps[chosen], errors[chosen], s=9, alpha=0.45, color=MAIN_COLOUR)
        axes.set(title="Error over length", xlabel="steps of the record", ylabel="RMSE")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)

    return svg(draw, _SIZE)


def error_by_group(errors: Mapping[str, np.ndarray]) -> str:
    """Mean difference and its deviation of the groups with the greatest errors, the worst above."""
    names: Sequence[str] = [str(name)[:24] for name in errors["name"][:_MOST_GROUPS]]

    def draw(axes: Axes) -> None:
        at = np.arange(len(names))
        columns = (errors[key][:_MOST_GROUPS] for key in ("bias", "deviation"))
        bias, deviation = columns
        axes.errorbar(bias, at, xerr=deviation, fmt="o", markersize=4, color=MAIN_COLOUR)
        axes.axvline(0, color=_SOFT, linewidth=1, linestyle="--")
        axes.set_yticks(at, names, fontsize=7)
        axes.invert_yaxis()
        left_out = len(errors["name"]) - len(names)
        title = "Error by group" + (f", {left_out:,} better ones left out" if left_out else "")
        axes.set(title=title, xlabel="predicted - true: mean and deviation")
        axes.grid(alpha=0.25, axis="x")

    return svg(draw, (_SIZE[0], max(2.0, min(_SIZE[1], 1.2 + 0.2 * len(names)))))


def _few(number: int) -> np.ndarray:
    """At most 1,000 of so many, evenly."""
    return np.linspace(0, number - 1, min(number, _MOST_POINTS)).astype(int)

"""Pictures of what probabilities are worth: a reliability diagram, and curves with their areas."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from pipeline.console.figures import CLASS_COLOURS, MAIN_COLOUR, svg
from trainer.evaluation.predictions import Predictions
from trainer.evaluation.probability_figures import precision_recall_points, roc_points
from trainer.metrics.ranking import Ranking, Rankings

_SIZE = (4.4, 3.9)
_MOST_CURVES = 6
_SOFT = "#94a3b8"


def reliability_picture(
    bins: Sequence[dict[str, float]], before: Sequence[dict[str, float]] = ()
) -> str:
    """How often the likeliest class is right, over its probability; see `reliability`.

    Args:
      bins: of the predictions.
      before: of the same without a temperature, if they have one.
    """

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=_SOFT, linewidth=1, linestyle="--")
        total = sum(row["labels"] for row in bins) or 1
        widths = [row["high"] - row["low"] for row in bins]
        shares = [row["labels"] / total for row in bins]
        lows = [row["low"] for row in bins]
        axes.bar(lows, shares, widths, align="edge", color=_SOFT, alpha=0.35, label="labels")
        columns = [(before, _SOFT, "without temperature"), (bins, MAIN_COLOUR, "right")]
        for rows, colour, name in columns:
            if rows:
                x, y = ([row[key] for row in rows] for key in ("probability", "right"))
                axes.plot(x, y, color=colour, marker="o", markersize=4, label=name)
        axes.set(
            title="Reliability", xlabel="probability of the likeliest class", ylabel="share",
            xlim=(0, 1), ylim=(0, 1.02),
        )  # fmt: skip
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, loc="upper left")

    return svg(draw, _SIZE)


def curve_pictures(
    evaluation: dict[str, Any], predictions: Predictions, names: Sequence[str]
) -> dict[str, str]:
    """ROC and precision-recall curves, each class against the rest; of one out of two one.

    Of two the one that a threshold is for, or else the second; of many the commonest.

    Args:
      evaluation: of the predictions.
      predictions: with their labels.
      names: of the classes.
    """
    rankings = Rankings(predictions.label, predictions.prediction)
    asked = (evaluation.get("calibration") or {}).get("asked", {}).get("positive_class")
    shown = np.argsort(-rankings.counts, kind="stable")[:_MOST_CURVES].tolist()
    is_one = len(names) == 2 and predictions.label.ndim == 1  # Each is what the other is not.
    if is_one:
        shown = [names.index(asked) if asked in names else 1]
    of_shown = ((number, rankings.of(number)) for number in sorted(shown))
    found = {names[of[0]]: of for of in of_shown if np.isfinite(of[1].roc_auc)}
    if not found:
        return {}
    pictures = {}
    for name, title, points, area, axis_names in (
        ("ROC curves", "ROC", roc_points, "roc_auc", ("1 - specificity", "sensitivity")),
        ("Precision-recall curves", "Precision and recall", precision_recall_points,
         "average_precision", ("recall", "precision")),
    ):  # fmt: skip
        mean = evaluation["metrics"].get(area) if not is_one else None
        about = "" if mean is None else f", mean area {mean:.3f}"
        pictures[name] = _curves(f"{title}{about}", found, points, area, axis_names)
    return pictures


def _curves(
    title: str,
    rankings: dict[str, tuple[int, Ranking]],
    points: Callable[[Ranking], tuple[np.ndarray, np.ndarray]],
    area: str,
    axis_names: tuple[str, str],
) -> str:
    def draw(axes: Axes) -> None:
        if area == "roc_auc":
            axes.plot([0, 1], [0, 1], color=_SOFT, linewidth=1, linestyle="--")
        for name, (number, ranking) in rankings.items():
            colour = CLASS_COLOURS[number % len(CLASS_COLOURS)]
            label = f"{name[:24]} {getattr(ranking, area):.3f}"
            axes.plot(*points(ranking), color=colour, linewidth=1.5, label=label)
        axes.set(
            title=title, xlabel=axis_names[0], ylabel=axis_names[1],
            xlim=(-0.01, 1.01), ylim=(0, 1.02),
        )  # fmt: skip
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, loc="lower right" if area == "roc_auc" else "lower left")

    return svg(draw, _SIZE)

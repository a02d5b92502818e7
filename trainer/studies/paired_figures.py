"""Pictures of a comparison: differences with their intervals, and each group with both models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from pipeline.console.figures import MAIN_COLOUR, shortened, svg
from trainer.metrics.table import better_mode, headline
from trainer.studies.paired import Comparison, Difference

_WIDTH, _ROW_HEIGHT, _AROUND_ROWS = 5.2, 0.24, 0.75
_MOST_GROUPS = 40
_MOST_LETTERS = 28
_FIRST_COLOUR = "#94a3b8"


def difference_pictures(found: Comparison) -> dict[str, str]:
    """Differences with their intervals, by title; of values a picture for each metric and unit."""
    if found.of_record != "rmse":
        recalls = {f"recall, {name}": one for name, one in found.classes.items()}
        return {"differences": _differences({**found.metrics, **recalls})}
    return {f"difference of {name}": _differences({name: d}) for name, d in found.metrics.items()}


def _differences(rows: Mapping[str, Difference]) -> str:
    def draw(axes: Axes) -> None:
        for at, one in enumerate(rows.values()):
            if one.interval:
                axes.plot(one.interval, [at, at], color=MAIN_COLOUR, linewidth=2, alpha=0.5)
            axes.plot([one.value], [at], "o", color=MAIN_COLOUR, markersize=5)
        axes.axvline(0, color="#64748b", linewidth=1, linestyle="--")
        axes.set(xlabel="second minus first, with 95% interval")
        _name_rows(axes, [*rows])

    return svg(draw, (_WIDTH, _AROUND_ROWS + _ROW_HEIGHT * len(rows)))


def group_picture(found: Comparison) -> str | None:
    """Both figures of each group, the one that lost most at the top; of very many the outermost."""
    metric = headline(found.metrics)
    if len(found.per_group) < 2:
        return None
    sign = 1 if better_mode(metric) == "max" else -1
    names = sorted(
        found.per_group, key=lambda name: sign * float(np.diff(found.per_group[name])[0])
    )
    if len(names) > _MOST_GROUPS:
        names = [*names[: _MOST_GROUPS // 2], *names[-_MOST_GROUPS // 2 :]]

    def draw(axes: Axes) -> None:
        pairs = np.array([found.per_group[name] for name in names])
        at = np.arange(len(names))
        axes.hlines(at, pairs[:, 0], pairs[:, 1], color="#cbd5e1", linewidth=2)
        for column, colour, name in ((0, _FIRST_COLOUR, "first"), (1, MAIN_COLOUR, "second")):
            axes.plot(pairs[:, column], at, "o", color=colour, markersize=5, label=name)
        axes.set(xlabel=metric)
        _name_rows(axes, names)
        axes.legend(
            loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=8,
        )  # fmt: skip

    return svg(draw, (_WIDTH, _AROUND_ROWS + 0.25 + _ROW_HEIGHT * len(names)))


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(
        range(len(names)), [shortened(name, _MOST_LETTERS) for name in names], fontsize=8
    )
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.25)

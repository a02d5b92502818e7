"""The page of a search: its course, the trials, what depends on each option."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from pipeline.console import page
from pipeline.console.figures import MAIN_COLOUR, MARK_COLOUR, svg, whole_numbers
from pipeline.console.tables import Table
from tfrecords_schema.names import join
from trainer.studies.search import result as tables
from trainer.studies.search.space import Dimension

PAGE = "search.html"
_MEASURED = ("done", "pruned")


def write_page(
    run_dir: str, result: Mapping[str, Any], space: Sequence[Dimension], folds: Table, paper: str
) -> str:
    """Writes the page, and says where it is.

    Args:
      run_dir: folder of the search.
      result: all figures.
      space: what is searched.
      folds: what is tested in each.
      paper: see `page.write`.
    """
    trials = {one["trial"]: one for one in result["trials"]}
    best = result["best"]
    return page.write(
        join(run_dir, PAGE),
        "trainer.studies",
        "search.html",
        paper,
        result=result,
        verdict=tables.verdict(result),
        default=trials[0] if best is not None else None,
        best=None if best is None else trials[best],
        history=_history(result),
        slices={one.name: _slice(result, one) for one in space},
        table=tables.trial_table(result, space),
        importances=tables.importance_table(result),
        failures=tables.failures_table(result),
        folds=folds,
    )


def _history(result: Mapping[str, Any]) -> str:
    """The objective of each trial in their order, and the best so far."""
    measured = [one for one in result["trials"] if one["state"] in _MEASURED]
    done = [one for one in measured if one["state"] == "done"]
    best = np.maximum if result["higher_is_better"] else np.minimum

    def draw(axes: Axes) -> None:
        if done:
            line = best.accumulate([one["value"] for one in done])
            places = [one["trial"] for one in done]
            axes.step(places, line, where="post", color=MARK_COLOUR, label="best so far")
        if done and not done[0]["trial"]:
            axes.axhline(
                done[0]["value"], color="#94a3b8", linestyle="--", linewidth=1, label="default"
            )
        _points(axes, measured, [one["trial"] for one in measured])
        axes.set(title=f"{result['objective']} of each trial", xlabel="trial")
        axes.xaxis.set_major_locator(whole_numbers())
        axes.legend(frameon=False)

    return svg(draw, (5.2, 3.0))


def _slice(result: Mapping[str, Any], dimension: Dimension) -> str:
    """The objective against the values of one option."""
    measured = [
        one
        for one in result["trials"]
        if one["state"] in _MEASURED and dimension.name in one["options"]
    ]
    values = [one["options"][dimension.name] for one in measured]

    def draw(axes: Axes) -> None:
        places = values
        if dimension.choices:
            places = [dimension.choices.index(value) for value in values]
            axes.set_xticks(range(len(dimension.choices)), dimension.choices)
            axes.tick_params("x", rotation=20 if len(dimension.choices) > 3 else 0)
            axes.set_xlim(-0.5, len(dimension.choices) - 0.5)
        _points(axes, measured, places)
        if dimension.is_log:
            axes.set_xscale("log")
        axes.set(xlabel=dimension.name, ylabel=result["objective"])

    return svg(draw, (3.4, 2.6))


def _points(axes: Axes, trials: Sequence[Mapping[str, Any]], places: Sequence[Any]) -> None:
    for state, face in (("done", MAIN_COLOUR), ("pruned", "none")):
        chosen = [at for at, one in enumerate(trials) if one["state"] == state]
        if chosen:
            axes.scatter(
                [places[at] for at in chosen],
                [trials[at]["value"] for at in chosen],
                s=26, facecolors=face, edgecolors=MAIN_COLOUR, label=state, zorder=3,
            )  # fmt: skip
    axes.grid(alpha=0.25)

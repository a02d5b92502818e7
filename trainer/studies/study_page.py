"""What a cross-validation leaves: one JSON, one table of predictions, one page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from pipeline.console import page
from pipeline.console.figures import MAIN_COLOUR, MARK_COLOUR, svg, whole_numbers
from pipeline.console.tables import Table
from tfrecords_schema import Dataset, LabelSpec
from tfrecords_schema.names import join
from tfrecords_schema.storage import atomic_write
from trainer.evaluation import evaluation_table, page_tables
from trainer.evaluation.kinds import scored_kind
from trainer.evaluation.prediction_files import Row, columns_of, write_columns
from trainer.metrics.table import LOSS, headline
from trainer.report.methods import write_methods
from trainer.report.report_data import RunFiles
from trainer.studies import study_tables
from trainer.studies.pooled import Run, averaged, draws_of
from trainer.studies.study_methods import study_methods

RESULT, PREDICTIONS, PAGE = "cross_validation.json", "predictions.csv", "cross_validation.html"


def write_result(run_dir: str, result: Mapping[str, Any]) -> None:
    """Writes all figures."""
    atomic_write(join(run_dir, RESULT), (json.dumps(result, indent=1) + "\n").encode())


def write_predictions(run_dir: str, runs: Sequence[Run], label: LabelSpec) -> None:
    """Writes a row for each record: its label, and the mean prediction of models without it.

    Besides the columns of `--mode=predict`: group, fold (of each division), label, and of classes
    the share of right labels, of values the RMSE; both as means over seeds and divisions.
    """
    draws = [*draws_of(runs).values()]
    mean, kind = averaged(draws, label), scored_kind(label.kind)
    rows = [
        Row(
            at,
            mean.ids[at],
            mean.sources[at],
            int(mean.steps[at]),
            mean.predictions.of(at)[1],
            mean.predictions.answers_of(at) if label.class_names else None,
        )
        for at in range(len(mean.ids))
    ]
    folds: dict[str, dict[int, int]] = {}
    for run in runs:
        for record in run.scored.ids:
            folds.setdefault(record, {})[run.repeat] = run.fold
    right = np.mean([scored.per_record(label) for scored in draws], axis=0)
    columns = columns_of(rows, label)
    write_columns(
        join(run_dir, PREDICTIONS),
        {
            **{name: columns.pop(name) for name in ("id", "source", "steps")},
            "group": mean.groups,
            "fold": [" ".join(map(str, folds[record].values())) for record in mean.ids],
            **kind.label_columns(
                [mean.predictions.of(at)[0] for at in range(len(mean.ids))], label
            ),
            **columns,
            kind.of_record: right,
        },
    )


def write_page(
    run_dir: str,
    result: Mapping[str, Any],
    folds: Table,
    runs: Sequence[str],
    paper: str = "none",
    dataset: Dataset | None = None,
) -> str:
    """Writes the page, and says where it is.

    Args:
      run_dir: folder of the cross-validation.
      result: all figures.
      folds: what is tested in each.
      runs: run folders of all runs.
      paper: see `page.write`.
      dataset: that was divided, with the label that is predicted; without it the methods are left
        out.
    """
    metric = headline(result["metrics"])
    found = [RunFiles.read(path) for path in runs]
    methods = study_methods(result, found, dataset) if dataset else {}
    if methods:
        write_methods(run_dir, methods)
    return page.write(
        join(run_dir, PAGE),
        "trainer.studies",
        "cross_validation.html",
        paper,
        result=result,
        metric=metric,
        value=result["metrics"][metric],
        interval=result["intervals"].get(metric),
        baseline_value=result["baseline"].get(metric),
        folds=folds,
        curves=_curves([run.epochs for run in found if run.epochs]),
        metrics=evaluation_table.metric_table(result),
        columns=evaluation_table.column_table(result),
        page_tables=page_tables,
        warnings=evaluation_table.warnings(result),
        tables=study_tables,
        methods=methods,
        options=found[0].options,
        minutes=sum(line.get("seconds", 0) for run in found for line in run.epochs) / 60,
    )


def _curves(runs: Sequence[list[dict[str, Any]]]) -> dict[str, str]:
    """The loss, and the metric that the task has, of all runs in one picture each."""
    if not runs:
        return {}
    names = dict.fromkeys((LOSS, headline([*runs[0][0]["train"], LOSS])))
    return {name: _curve(name, runs) for name in names}


def _curve(name: str, runs: Sequence[list[dict[str, Any]]]) -> str:
    def draw(axes: Axes) -> None:
        for part, colour in (("train", MAIN_COLOUR), ("validation", MARK_COLOUR)):
            lines = [_points(run, part, name) for run in runs]
            for epochs, values in lines:
                axes.plot(epochs, values, color=colour, alpha=0.3, linewidth=0.8)
            epochs, mean = _mean_line(lines)
            if epochs:
                legend = {"train": "training", "validation": "validation"}[part]
                axes.plot(epochs, mean, color=colour, linewidth=2, label=f"{legend}, mean of runs")
        axes.set(title=name, xlabel="epoch")
        axes.xaxis.set_major_locator(whole_numbers())
        axes.grid(alpha=0.25)
        axes.legend(frameon=False)

    return svg(draw, (5.2, 3.0))


def _points(run: list[dict[str, Any]], part: str, name: str) -> tuple[list[int], list[float]]:
    """Epochs, from 1, and figures; those that are not finite or were not measured left out."""
    found = [(line["epoch"] + 1, (line.get(part) or {}).get(name)) for line in run]
    kept = [(epoch, value) for epoch, value in found if value is not None]
    return [epoch for epoch, _ in kept], [value for _, value in kept]


def _mean_line(lines: Sequence[tuple[list[int], list[float]]]) -> tuple[list[int], list[float]]:
    """Mean at the epochs that every run has."""
    by_epoch = [dict(zip(*line, strict=True)) for line in lines]
    epochs = sorted(set.intersection(*(set(one) for one in by_epoch)))
    return epochs, [float(np.mean([one[epoch] for one in by_epoch])) for epoch in epochs]

"""Tables of an evaluation that pages have and terminals do not: confusions, figures over groups.

They take the content of `evaluation-<split>.json`, or of `cross_validation.json`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.console.tables import COUNT, Table
from trainer.evaluation.class_figures import MOST_CLASSES
from trainer.evaluation.evaluation_table import group_count, group_table, measured
from trainer.metrics.table import all_metrics

_THOUSANDTHS = "{:.3f}".format
_TENTHS = "{:.1f}".format
_TRUE = "true \\ predicted"


def confusion_tables(result: Mapping[str, Any]) -> list[Table]:
    """How often each class (rows) is predicted as which: counts, and percent of each row.

    None without classes, and of very many.
    """
    names, counts = result.get("class_names", ()), np.array(result.get("confusion", ()))
    if not len(counts) or len(names) > MOST_CLASSES:
        return []
    percent = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    title = f"Confusion of {measured(result)}"
    return [
        Table(
            f"{title}{unit}",
            {_TRUE: None, **dict.fromkeys(names, form)},
            [[name, *row] for name, row in zip(names, cells.tolist(), strict=True)],
            of="classes",
            most=MOST_CLASSES,
        )
        for unit, form, cells in (
            ("", COUNT, counts), (" in percent of each true class", _TENTHS, percent),
        )
    ]  # fmt: skip


def over_groups_table(result: Mapping[str, Any]) -> Table:
    """Mean, deviation and ends of each metric over groups that count alike, whatever their size.

    No row where not every group is listed.
    """
    groups = [*result["groups"].values()]
    if len(groups) < 2 or len(groups) < group_count(result):
        groups = []
    rows = []
    for name in _metrics_of(result) if groups else ():
        values = np.array([figures[name] for figures in groups], np.float64)
        rows.append(
            (name, values.mean(), values.std(ddof=1), np.median(values), values.min(), values.max())
        )
    figures = ("mean", "deviation", "median", "least", "greatest")
    return Table(
        f"Over the {len(groups):,} groups of {measured(result)}",
        {"metric": None, **dict.fromkeys(figures, _THOUSANDTHS)},
        rows,
        note="a figure for each group, each counted once, however many labels it has; the "
        "deviation is that of a sample (n - 1)",
        name=f"over the groups of {measured(result)}",
    )


def groups_table(result: Mapping[str, Any]) -> Table:
    """All figures of each group, the worst first."""
    return group_table(result, _metrics_of(result))


def _metrics_of(result: Mapping[str, Any]) -> list[str]:
    """Those that every group has, in the order of the metrics."""
    known = [metric.name for metric in all_metrics() if metric.name in result["metrics"]]
    return [name for name in known if all(name in row for row in result["groups"].values())]

"""A cross-validation as tables, for the terminal and for its page; see `summarize`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.console.tables import COUNT, Table, as_text
from trainer.evaluation.evaluation_table import column_table, group_table, metric_table, warnings
from trainer.metrics.table import headline

_THOUSANDTHS = "{:.3f}".format
_OVER = {"groups": "groups", "folds": "folds", "seeds": "seeds", "repeats": "divisions"}


def study_text(result: Mapping[str, Any]) -> str:
    """All tables, in columns of at most 80 characters."""
    metrics = metric_table(result)
    tables = [metrics, spread_table(result), column_table(result)]
    tables += [group_table(result), worst_table(result)]
    parts = [metrics.title, *warnings(result), *map(as_text, tables)]
    return "\n\n".join(filter(None, parts)) + "\n"


def spread_table(result: Mapping[str, Any]) -> Table:
    """How the metric that people read first varies, and over what."""
    metric = headline(result["metrics"])
    spread = result["spread"][metric]
    rows = [
        (
            f"{_OVER[over]} ({found['number']:,})",
            found.get("deviation"),
            found["least"],
            found["greatest"],
            found.get("interval"),
        )
        for over, found in spread.items()
        if found["number"] > 1
    ]
    return Table(
        f"How far {metric} varies",
        {
            f"{metric} over": None,
            "deviation": _THOUSANDTHS,
            "least": _THOUSANDTHS,
            "greatest": _THOUSANDTHS,
            "95% interval of the mean": "{0[0]:.3f} to {0[1]:.3f}".format,
        },
        rows,
        note="over groups: drawn anew; over folds: Student's t, corrected for training records "
        "that folds share; over seeds: Student's t, for the same records",
    )


def runs_table(result: Mapping[str, Any]) -> Table:
    """The figures of every run by itself."""
    names = [*result["metrics"]]
    columns = {"fold": None, "seed": None, "records": COUNT, **dict.fromkeys(names, _THOUSANDTHS)}
    rows = [
        (
            f"repeat {run['repeat']}, fold {run['fold']}",
            run["seed"],
            run["records"],
            *(run["metrics"][name] for name in names),
        )
        for run in result["runs"]
    ]
    return Table("Runs", columns, rows, of="runs", most=60)


def worst_table(result: Mapping[str, Any]) -> Table:
    """Records that are predicted worst."""
    rows = result["worst"]
    is_class = bool(rows) and "true" in rows[0]
    columns: dict[str, Any] = {"record, the worst first": None}
    names = ["id"]
    if is_class:
        columns.update(dict.fromkeys(("true", "predicted")))
        columns.update({"p(true)": "{:.2f}".format, "right": "{:.0%}".format})
        names += ["true", "predicted", "probability_of_true", "right_share"]
    else:
        columns["RMSE"] = "{:.3g}".format
        names += ["rmse"]
    cells = [[row[name] for name in names] for row in rows]
    return Table("The worst records", columns, cells, of="records in predictions.csv", most=12)

"""An evaluation as tables, for the terminal and for the report.

They take the content of `evaluation-<stem>.json`.
"""

import operator
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.console.tables import COUNT, Table, as_text
from pipeline.console.texts import counted, wrapped
from trainer.evaluation.calibration_figures import calibration_notes, calibration_tables
from trainer.metrics.table import all_metrics, better_mode, headline
from trainer.runs.trained_on import seen_text

_THOUSANDTHS = "{:.3f}".format


def evaluation_text(result: Mapping[str, Any]) -> str:
    """All tables, in columns of at most 80 characters."""
    metrics, groups = metric_table(result), group_count(result)
    parts = [metrics.title, as_text(metrics), *map(wrapped, _marked(warnings(result)))]
    parts += map(wrapped, calibration_notes(result))
    for table in calibration_tables(result):
        parts += [table.title, as_text(table)]
    parts.append(as_text(column_table(result)))
    if 1 < groups < result["records"]:
        parts.append(as_text(group_table(result)))
    if "predicted" in result:
        # Adding 0 turns -0.0 into 0.0.
        values = " ".join(f"{round(value, 1) + 0.0:.1f}" for value in result["predicted"])
        parts.append(f"{measured(result)}, predicted values: {values}")
    return "\n\n".join(filter(None, parts)) + "\n"


def warnings(result: Mapping[str, Any]) -> list[str]:
    """Why the figures of an evaluation are not to be believed, or say that nothing was learned."""
    metric = headline(result["metrics"])
    value, baseline = result["metrics"][metric], result["baseline"]
    found = [seen_text(result.get("trained_on", {}))]
    if result.get("decided_by_it"):
        found.append(
            f"the training was validated on {measured(result)} and chose its weights by it: the "
            "figure is better than that of new records; give another --validation_split"
        )
    if metric in baseline:
        sign = 1 if better_mode(metric) == "max" else -1
        if sign * value <= sign * baseline[metric]:
            found.append(
                f"{metric} {value:.3f} is no better than {baseline[metric]:.3f}, which takes no "
                f"model ({baseline['name']}): train longer, look at the curves, or at the data"
            )
    return [*filter(None, found)]


def _marked(lines: list[str]) -> list[str]:
    return [f"WARNING: {line}" for line in lines]


def metric_table(result: Mapping[str, Any]) -> Table:
    """Each metric with its interval, beside the baselines."""
    baselines, intervals = result["baselines"], result["intervals"]
    records, labels = counted(result["records"], "record"), counted(result["labels"], "label")
    other = f" of {result['other_data']}" if "other_data" in result else ""
    missing = result.get("missing_labels", 0)
    about = (
        f"{measured(result)}{other}: {records} of {counted(group_count(result), 'group')}, {labels}"
        + (f" ({missing:,} more {'is' if missing == 1 else 'are'} not known)" if missing else "")
    )
    note = "no interval: that takes at least four groups"
    if intervals:
        times = f"{result['bootstrap_resamples']:,} times"
        note = f"intervals: the groups drawn anew {times}, with replacement"
    return Table(
        about,
        {
            "metric": None,
            "model": _THOUSANDTHS,
            "95% interval": "{0[0]:.3f} to {0[1]:.3f}".format,
            **{baseline["name"]: _THOUSANDTHS for baseline in baselines},
        },
        [
            (name, value, intervals.get(name), *(baseline.get(name) for baseline in baselines))
            for name, value in result["metrics"].items()
        ],
        note=note,
        name=f"metrics of {measured(result)}",
    )


def column_table(result: Mapping[str, Any]) -> Table:
    """The metrics of each class, or of each component of the values if they have several."""
    split = measured(result)
    if "per_class" in result:
        keys = operator.itemgetter("precision", "recall", "f1", "support")
        shares = dict.fromkeys(("precision", "recall", "F1"), _THOUSANDTHS)
        rows = [(name, *keys(row)) for name, row in result["per_class"].items()]
        columns = {"class": None, **shares, "support": COUNT}
        total = result.get("class_count", 0)
        which = ", those of the least F1 and the commonest" if total else ""
        where = f" in {_file(result, 'npz')}" if total and "file" not in result else ""
        return Table(
            f"Classes of {split}{which}",
            columns,
            rows,
            of=f"classes{where}",
            most=30,
            total=total,
        )
    components = result.get("per_component", [])
    metrics = [m for m in all_metrics() if components and m.name in components[0]]
    columns = {metric.title or metric.name: metric.form.format for metric in metrics}
    guessed = [(guess, metric) for guess in result["baselines"][:1] for metric in metrics[:1]]
    beside = {f"{m.title or m.name} of the {guess['name']}": m.form.format for guess, m in guessed}
    rows = [
        (number + 1, *(row[metric.name] for metric in metrics),
         *(guess["per_component"][number][metric.name] for guess, metric in guessed))
        for number, row in enumerate(components)
    ]  # fmt: skip
    return Table(
        f"Values of {split}",
        {"component": None, **columns, **beside},
        rows if len(rows) > 1 else [],
        of="components",
        most=30,
    )


def group_table(result: Mapping[str, Any], names: Sequence[str] = ()) -> Table:
    """Groups, the worst first, with these metrics, or the one that people read first."""
    metric = headline(result["metrics"])
    names = names or (metric,)
    sign = 1 if better_mode(metric) == "max" else -1
    split, groups = measured(result), result["groups"]
    return Table(
        f"Groups of {split}",
        {"group, the worst first": None, "labels": COUNT, **dict.fromkeys(names, _THOUSANDTHS)},
        [
            (name, groups[name]["labels"], *(groups[name][each] for each in names))
            for name in sorted(groups, key=lambda name: sign * groups[name][metric])
        ],
        of=f"groups in {_file(result, 'npz' if 'group_count' in result else 'json')}",
        most=12,
        total=group_count(result),
    )


def _file(result: Mapping[str, Any], ending: str) -> str:
    """Where all of it is; an evaluation of a split says no name of its own."""
    return f"{result.get('file', 'evaluation-' + stem(result))}.{ending}"


def stem(result: Mapping[str, Any]) -> str:
    """What the files of an evaluation are called by: nothing of one dataset replaces another's."""
    other = result.get("other_data")
    return f"{other}-{of_split(result)}" if other else of_split(result)


def of_split(result: Mapping[str, Any]) -> str:
    """The split that was measured, and which of several labels: `test`, or `test.stage`."""
    name = str(result.get("split"))
    return f"{name}.{result['label']}" if result.get("label") else name


def measured(result: Mapping[str, Any]) -> str:
    """What was measured, for people: a split, and which of several labels."""
    name = str(result["split"])
    return f"{name}, {result['label']}" if result.get("label") else name


def group_count(result: Mapping[str, Any]) -> int:
    """Groups that there are, of which the worst and the largest may be all that is listed."""
    return result.get("group_count", len(result["groups"]))


def confusion_table(result: Mapping[str, Any]) -> Table:
    """The commonest confusions, where there are too many classes for a table of all."""
    columns = {"true": None, "predicted": None, "labels": COUNT}
    rows = [(row["true"], row["predicted"], row["count"]) for row in result.get("confusions", ())]
    split = measured(result)
    return Table(f"Confusions of {split}, the commonest", columns, rows, of="of them")

"""An evaluation as a table for the terminal."""

from collections.abc import Sequence
from typing import Any

from trainer.metrics.table import better_mode

_MAX_GROUPS = 12
_MAX_COLUMNS = 30  # Classes or components.


def evaluation_table(result: dict[str, Any]) -> str:
    """The content of `evaluation-<split>.json` in columns of at most 80 characters."""
    groups = result["groups"]
    records, labels = _counted(result["records"], "record"), _counted(result["labels"], "label")
    head = f"{result['split']}: {records} of {_counted(len(groups), 'group')}, {labels}"
    parts = [head, _metrics(result)]
    if "per_class" in result:
        parts.append(_per_class(result["per_class"]))
    elif len(result["per_component"]) > 1:
        parts.append(_per_component(result))
    if 1 < len(groups) < result["records"]:
        parts.append(_groups(groups, next(iter(result["metrics"]))))
    if "predicted" in result:
        # Adding 0 turns -0.0 into 0.0.
        values = " ".join(f"{round(value, 1) + 0.0:.1f}" for value in result["predicted"])
        parts.append(f"{result['split']}, predicted values: {values}")
    return "\n\n".join(parts) + "\n"


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as aligned text: the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in rows
    )


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _metrics(result: dict[str, Any]) -> str:
    baselines, intervals = result["baselines"], result["intervals"]
    rows = [["", "model", "95% interval", *(baseline["name"] for baseline in baselines)]]
    for name, value in result["metrics"].items():
        interval = "[{:.3f}, {:.3f}]".format(*intervals[name]) if name in intervals else "-"
        guesses = (f"{baseline[name]:.3f}" for baseline in baselines)
        rows.append([name, f"{value:.3f}", interval, *guesses])
    how = "groups drawn anew, with replacement" if intervals else "that takes at least four groups"
    return f"{columns(rows)}\n  {'' if intervals else 'no '}interval: {how}"


def _per_class(table: dict[str, dict[str, Any]]) -> str:
    rows: list[tuple[str, ...]] = [("class", "precision", "recall", "F1", "support")]
    for name, row in list(table.items())[:_MAX_COLUMNS]:
        figures = (f"{row[key]:.3f}" for key in ("precision", "recall", "f1"))
        rows.append((name[:40], *figures, f"{row['support']:,}"))
    return _cut(columns(rows), len(table) - _MAX_COLUMNS, "classes")


def _per_component(result: dict[str, Any]) -> str:
    guesses = result["baselines"][:1]
    heads = (f"RMSE of the {guess['name']}" for guess in guesses)
    rows: list[tuple[str, ...]] = [("component", "RMSE", "MAE", "R2", *heads)]
    for number, row in enumerate(result["per_component"][:_MAX_COLUMNS]):
        errors = (f"{row['rmse']:.4g}", f"{row['mae']:.4g}", f"{row['r2']:.3f}")
        others = (f"{guess['per_component'][number]['rmse']:.4g}" for guess in guesses)
        rows.append((str(number + 1), *errors, *others))
    return _cut(columns(rows), len(result["per_component"]) - _MAX_COLUMNS, "components")


def _groups(groups: dict[str, dict[str, Any]], metric: str) -> str:
    """The groups with the worst metric first; the others are in the file."""
    sign = 1 if better_mode(metric) == "max" else -1
    worst = sorted(groups, key=lambda name: sign * groups[name][metric])
    rows = [("group, the worst first", "labels", metric)]
    for name in worst[:_MAX_GROUPS]:
        rows.append((name[:40], f"{groups[name]['labels']:,}", f"{groups[name][metric]:.3f}"))
    return _cut(columns(rows), len(groups) - _MAX_GROUPS, "groups")


def _cut(text: str, left_out: int, what: str) -> str:
    return f"{text}\n  and {left_out} more {what}" if left_out > 0 else text

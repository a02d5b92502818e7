"""A comparison of two models as tables; see `paired.py`."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.console.tables import Table, as_text
from pipeline.console.texts import counted, wrapped
from trainer.metrics.table import better_mode, headline
from trainer.studies.paired import Comparison, Difference

_THOUSANDTHS = "{:.3f}".format
_SIGNED = "{:+.3f}".format


def comparison_text(first: str, second: str, found: Comparison) -> str:
    """All tables, in columns of at most 80 characters."""
    head = [f"first:  {first}", f"second: {second}"]
    texts = map(as_text, all_tables(found))
    return "\n\n".join(["\n".join(map(wrapped, head)), *filter(None, texts)]) + "\n"


def all_tables(found: Comparison) -> list[Table]:
    """Every metric, class, group, and the records that changed."""
    return [metric_table(found), class_table(found), group_table(found), record_table(found)]


def metric_table(found: Comparison) -> Table:
    """Every metric."""
    note = f"intervals and p: {counted(found.groups, 'group')} drawn anew and exchanged"
    if found.draws > 1:
        note += f"; means of the {found.draws:,} divisions and seeds that both have"
    if found.is_mcnemar:
        note += "; p of the accuracy: McNemar's exact test"
    least = 2.0 ** (1 - found.groups)
    if least > 0.05:
        note += f"; so few groups can give no p below {least:.2g}, whatever the models"
    return _table("Differences", "metric", found.metrics, note)


def class_table(found: Comparison) -> Table:
    """The recall of each class, of very many the commonest."""
    return _table("Recall of classes", "recall of class", found.classes, "")


def _table(title: str, name: str, rows: Mapping[str, Difference], note: str) -> Table:
    columns = {
        name: None,
        "first": _THOUSANDTHS,
        "second": _THOUSANDTHS,
        "difference": _SIGNED,
        "95% interval": "{0[0]:+.3f} to {0[1]:+.3f}".format,
        "p": "{:.4f}".format,
    }
    cells = [
        (of, one.first, one.second, one.value, one.interval, one.p_value)
        for of, one in rows.items()
    ]
    return Table(title, columns, cells, of="classes", note=note, most=30)


def group_table(found: Comparison) -> Table:
    """Groups, the one that lost most first; no row where every record is one."""
    metric = headline(found.metrics)
    sign = 1 if better_mode(metric) == "max" else -1
    rows = sorted(
        ((group, one, other, other - one) for group, (one, other) in found.per_group.items()),
        key=lambda row: sign * row[3],
    )
    columns = {f"{metric} of group": None, "first": _THOUSANDTHS, "second": _THOUSANDTHS}
    return Table("Groups", {**columns, "difference": _SIGNED}, rows, of="groups", most=12)


def record_table(found: Comparison) -> Table:
    """Records on which the models differ."""
    of = "RMSE" if found.of_record == "rmse" else "right"
    better = sum((other > one) == (of == "right") for _, _, one, other in found.records)
    columns = {"record": None, "group": None, f"first {of}": _THOUSANDTHS}
    return Table(
        "Records",
        {**columns, f"second {of}": _THOUSANDTHS},
        found.records,
        of="records that differ",
        note=f"of the records {better:,} better with the second, "
        f"{len(found.records) - better:,} worse",
        most=12,
    )

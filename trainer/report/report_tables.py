"""What the page of a run has from its files: doubts, what was left out, other data."""

from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.console.tables import COUNT, Table
from trainer.metrics.table import headline

_THOUSANDTHS = "{:.3f}".format
_MOST = 10


def page_name(other_data: str) -> str:
    """Name of the page: that of the run's own data is never replaced by another's."""
    return f"report-{other_data}.html" if other_data else "report.html"


def worth_a_look(doubts: Sequence[str]) -> Table:
    """What was said at the start of the training."""
    return Table("Worth a look", {"at the start": None}, [*zip(doubts)], of="notes", most=_MOST)


def left_out(rows: Sequence[dict[str, Any]]) -> Table:
    """What was left out or changed, the commonest first; what counts nothing comes last."""
    columns = {"count": lambda count: COUNT(count) if count else "", "what": None, "why": None}
    return Table(
        "Left out or changed",
        {**columns, "such as": None},
        [(row["count"], row["what"], row["reason"], row["example"]) for row in rows],
        of="reasons, the others are in left_out.json",
        most=_MOST,
    )


def other_data(evaluations: Iterable[dict[str, Any]]) -> Table:
    """Figures on other datasets, each of which has a page of its own."""
    rows = []
    for one in evaluations:
        if name := one.get("other_data"):
            metric = headline(one["metrics"])
            rows.append((name, one["split"], metric, one["metrics"][metric], page_name(name)))
    columns = {"data": None, "split": None, "metric": None, "value": _THOUSANDTHS, "page": None}
    return Table("On other data", columns, rows, of="evaluations", most=_MOST)

"""What is printed: rows of measurements, counts of faults with their violations."""

import collections
import pathlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.measure import Row

VIOLATION = "VIOLATION: "


def section_main(run: Callable[..., Iterable[Row]]) -> None:
    """The command line of one section: prints its rows, exits with 1 where a target is missed."""
    args = parse_flags(sys.modules[run.__module__].__doc__, quick=False)
    sys.exit(any(row.holds is False for row in show(run(quick=args.quick))))


def show(rows: Iterable[Row]) -> list[Row]:
    """Prints each row as it comes, and returns all."""
    shown = []
    for row in rows:
        print(line(row), flush=True)
        shown.append(row)
    return shown


def line(row: Row) -> str:
    """One line of the table: what, ours, the peer's, the ratio, the target."""
    peer = "" if row.peer is None else f"{_figure(row.peer)}"
    ratio = "" if row.ratio is None else f"{row.ratio:.2f} x"
    verdict = {True: "yes", False: "NO", None: ""}[row.holds]
    return (
        f"{row.what:48}{_figure(row.ours):>10}{peer:>10}  {row.unit:24}{ratio:>9}"
        f"  {row.target:20}{verdict}"
    ).rstrip()


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Names to the left, numbers to the right."""
    cells = [list(map(str, row)) for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for first, *rest in cells:
        numbers = [text.rjust(width) for text, width in zip(rest, widths[1:], strict=True)]
        print("  ".join([first.ljust(widths[0]), *numbers]), flush=True)


class Counts(collections.Counter[str]):
    """How often what happened, and what must not."""

    def violation(self, what: str, times: int, log: pathlib.Path | None = None) -> None:
        """Counts what must not happen, 0 times or more; then shows the end of a log."""
        self[f"{VIOLATION}{what}"] += times
        if times and log:
            print(log.read_text()[-2500:], flush=True)

    @property
    def violations(self) -> int:
        """All of them."""
        return sum(count for name, count in self.items() if name.startswith(VIOLATION))

    def report(self) -> int:
        """Prints all counts, violations last; returns 1 if there was one."""
        rows = sorted(self.items(), key=lambda item: (item[0].startswith(VIOLATION), item[0]))
        print_table(("what", "count"), rows)
        return int(self.violations > 0)


def report_by(kind: str, counts: Mapping[str, Counts], columns: Sequence[str]) -> int:
    """Prints a row of counts for each kind, violations last; returns 1 if there was one."""
    found = {name for row in counts.values() for name in row if name.startswith(VIOLATION)}
    names = [*columns, *sorted(found)]
    print_table((kind, *names), [[key, *(row[n] for n in names)] for key, row in counts.items()])
    return int(any(row.violations for row in counts.values()))

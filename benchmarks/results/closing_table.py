"""Prints a run's figures beside the baseline's, and where its report is: the end of `make demo`.

python -m benchmarks.results.closing_table --run_dir=demo/run
"""

import json
import pathlib
from typing import Any

from benchmarks.harness.flags import parse_flags


def main() -> None:
    """Reads the evaluations in a run folder and prints one table."""
    run_dir = parse_flags(__doc__, run_dir=pathlib.Path).run_dir
    paths = sorted(run_dir.glob("evaluation-*.json"))
    print(table([json.loads(path.read_text()) for path in paths]))
    print(f"\nReport: {run_dir / 'report.html'} (open it in a browser)")


def table(evaluations: list[dict[str, Any]]) -> str:
    """One line for each split and metric that has a baseline, in columns."""
    rows = [("split", "records", "groups", "metric", "model", "baseline", "")]
    for found in evaluations:
        baseline = found["baseline"]
        for metric, value in found["metrics"].items():
            if metric in baseline:
                groups = found.get("group_count", len(found["groups"]))
                counts = (str(found["records"]), str(groups))
                figures = (f"{value:.3f}", f"{baseline[metric]:.3f}", f"({baseline['name']})")
                rows.append((found["split"], *counts, metric, *figures))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


if __name__ == "__main__":
    main()

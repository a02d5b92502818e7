"""Prints a run's figures beside the baseline's, and where its report is: the end of `make demo`."""

import argparse
import json
from typing import Any

from pipeline.console import quiet

quiet.start(gpu=False)

import tensorflow as tf

from tfrecords_schema.names import join


def main() -> None:
    """Reads the evaluations in a run folder and prints one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run_dir", required=True, help="run folder of python -m trainer")
    run_dir = parser.parse_args().run_dir
    paths = sorted(tf.io.gfile.glob(join(run_dir, "evaluation-*.json")))
    print(table([_read(path) for path in paths]))
    print(f"\nReport: {join(run_dir, 'report.html')} (open it in a browser)")


def table(evaluations: list[dict[str, Any]]) -> str:
    """One line for each split and metric that has a baseline, in columns."""
    rows = [("split", "records", "groups", "metric", "model", "baseline", "")]
    for found in evaluations:
        baseline = found["baseline"]
        for metric, value in found["metrics"].items():
            if metric in baseline:
                counts = (str(found["records"]), str(len(found["groups"])))
                figures = (f"{value:.3f}", f"{baseline[metric]:.3f}", f"({baseline['name']})")
                rows.append((found["split"], *counts, metric, *figures))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _read(path: str) -> dict[str, Any]:
    with tf.io.gfile.GFile(path) as file:
        return json.load(file)


if __name__ == "__main__":
    main()

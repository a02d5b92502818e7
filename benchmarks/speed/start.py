"""From the start of a process to the end of its first training step, which compiles.

The published signal model on one small batch, the same for all; every figure is a fresh process.
"""

import functools
import pathlib

from benchmarks.harness.measure import Row, against, alternately
from benchmarks.harness.processes import temporary_folder
from benchmarks.harness.recordings import lognormal_lengths, signal_dataset
from benchmarks.harness.tables import section_main
from benchmarks.speed.step import as_argument, start_model

ROWS, REPEATS = 8, 5
# How many times longer the source's code must take.
TARGETS = {"keras": 4.0, "tf_keras": None}
KEYS = ("float32", *TARGETS)


def run(quick: bool = False) -> list[Row]:
    """Measures; about four minutes, most of them spent by the peers."""
    rows = 2 if quick else ROWS
    with temporary_folder() as folder:
        dataset = signal_dataset(folder, lognormal_lengths(rows))
        runs = {k: functools.partial(_start, k, folder, dataset, rows) for k in KEYS}
        figures = alternately(runs, 1 if quick else REPEATS)
    secs = {key: [wall for wall, _ in found] for key, found in figures.items()}
    cpu_secs = {key: [cpu for _, cpu in found] for key, found in figures.items()}
    name, ours = "start to first step, float32 / {}", "float32"
    return [
        *(against(name.format(k), secs[ours], secs[k], "s", n) for k, n in TARGETS.items()),
        *(against(name.format(k), cpu_secs[ours], cpu_secs[k], "CPU s") for k in TARGETS),
    ]


def _start(key: str, folder: pathlib.Path, dataset: str, rows: int) -> tuple[float, float]:
    """Wall and processor seconds."""
    with start_model(key, folder, dataset, as_argument(range(rows))) as worker:
        return worker.first_secs, worker.first["process_cpu_secs"]


if __name__ == "__main__":
    section_main(run)

"""Share of the time that training of the published signal model waits for input.

The very command of a user; the figures are those of the training log, of its last epoch.
"""

import json
import pathlib

from benchmarks.harness.measure import Row, within
from benchmarks.harness.processes import run_module, temporary_folder
from benchmarks.harness.recordings import lognormal_lengths, signal_dataset
from benchmarks.harness.tables import section_main

MOST_WAITING = 0.03


def run(quick: bool = False) -> list[Row]:
    """Trains twice; about two minutes."""
    rows = []
    with temporary_folder() as folder:
        dataset = signal_dataset(folder, lognormal_lengths(32 if quick else 320))
        for precision in ("float32", "bfloat16"):
            line = _train(dataset, folder / precision, precision)
            name, shares = f"waiting for input, {precision}", [line["input_wait_share"]]
            rows += [
                within(name, shares, "of the time", "below", MOST_WAITING),
                Row(
                    f"in the training loop, {precision}",
                    1e3 / line["valid_steps_per_sec"],
                    "ms/valid step",
                ),
            ]
    return rows


def _train(dataset: str, run_dir: pathlib.Path, precision: str) -> dict[str, float]:
    """Returns the log's line of the second epoch."""
    flags = ["--flagfile=trainer/configs/signal_epochs.flags", f"--precision={precision}"]
    flags += [f"--dataset={dataset}", f"--run_dir={run_dir}", "--epochs=2"]
    run_module("trainer", *flags, "--noreport", "--notensorboard")
    return json.loads((run_dir / "metrics.jsonl").read_text().splitlines()[-1])


if __name__ == "__main__":
    section_main(run)

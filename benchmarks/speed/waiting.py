"""Share of the time that training of the published signal model waits for input.

The very command of a user; the figures are those of the training log, of its last epoch.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

from benchmarks.harness.measure import Row, below
from benchmarks.harness.signal_set import convert, lognormal_lengths, write_npz

MOST_WAITING = 0.03


def run(quick: bool = False) -> list[Row]:
    """Trains twice; about two minutes."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        write_npz(path, lognormal_lengths(32 if quick else 320), (3000, 1))
        dataset = convert(path)
        for precision in ("float32", "bfloat16"):
            line = _train(dataset, path / precision, precision)
            share, rate = line["input_wait_share"], line["valid_steps_per_sec"]
            rows += [
                below(f"waiting for input, {precision}", [share], "of the time", MOST_WAITING),
                Row(f"in the training loop, {precision}", 1e3 / rate, "ms/valid step"),
            ]
    return rows


def _train(dataset: str, run_dir: pathlib.Path, precision: str) -> dict[str, float]:
    """Returns the log's line of the second epoch."""
    command = [sys.executable, "-m", "trainer", "--flagfile=trainer/configs/signal_epochs.flags"]
    command += [f"--dataset={dataset}", f"--run_dir={run_dir}", f"--precision={precision}"]
    command += ["--epochs=2", "--noreport", "--notensorboard"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return json.loads((run_dir / "metrics.jsonl").read_text().splitlines()[-1])

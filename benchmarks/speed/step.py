"""Training step of the published signal model: ours beside the source's code.

The recordings are the same, of lognormal lengths. The source's code trains on random batches
padded to their longest, of which one with the median padding of 1,000 stands for all; ours trains
on the planned batches of an epoch, that one's recordings among them. Each model is a process of
its own, which makes a step when it is its turn. First steps, which compile, are left out;
`benchmarks.speed.start` measures those.
"""

import contextlib
import functools
import pathlib
import statistics
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from benchmarks.harness.measure import Row, against, alternately, product_gflops
from benchmarks.harness.processes import temporary_folder
from benchmarks.harness.recordings import lognormal_lengths, signal_dataset
from benchmarks.harness.tables import section_main
from benchmarks.harness.worker import Worker

ROWS, REPEATS = 32, 5
# Keras 3 needs 14 to 23 MB a padded step (9.4 GB for 8 rows of 82 steps; in 23 GB it was killed
# at 32 rows), so it gets a batch of fewer rows with as much padding.
KERAS_ROWS = 4
DTYPES = ("float32", "bfloat16")
KEYS = (*DTYPES, "keras", "tf_keras")
# How many times longer a peer must take than our step in a precision.
TARGETS = {
    ("keras", "float32"): 12.0,
    ("keras", "bfloat16"): 25.0,
    ("tf_keras", "float32"): 5.0,
    ("tf_keras", "bfloat16"): 10.0,
}
# Multiplications and additions of the published model for one time step, forward; a training step
# takes three times as many, without the first convolution's gradient of the signal. By layer:
# outputs x kernel samples x channels x filters of the convolutions, then both GRUs.
_CONVOLUTIONS = (990 * 32 * 32, 480 * 32 * 32 * 32, 225 * 32 * 32 * 32, 97 * 32 * 32 * 32)
_RECURRENCES = (3104 + 256) * 3 * 256 + (256 + 128) * 3 * 128
STEP_GFLOP = 2e-9 * (3 * (sum(_CONVOLUTIONS) + _RECURRENCES) - _CONVOLUTIONS[0])


def run(quick: bool = False) -> list[Row]:
    """Measures; about four minutes, most of them spent by the peers."""
    rows = 4 if quick else ROWS
    lengths = np.append(typical_lengths(rows), lognormal_lengths(rows * (REPEATS - 1)))
    with temporary_folder() as folder:
        return _step_rows(_step_reports(folder, lengths, rows))


def start_model(key: str, folder: pathlib.Path, dataset: str, *arguments: str) -> Worker:
    """Starts the worker of one model on a set of recordings; it waits for its first turn."""
    if key in DTYPES:
        arguments = (f"--precision={key}", f"--dataset={dataset}", *arguments)
        return Worker("benchmarks.speed.step_worker", *arguments)
    arguments = (f"--keras={key}", f"--folder={folder}", *arguments)
    return Worker("benchmarks.peers.signal_worker", *arguments)


def typical_lengths(rows: int, batches: int = 1_000) -> np.ndarray:
    """Lengths of that of many random batches which has the median share of padding."""
    drawn = lognormal_lengths(rows * batches, seed=1).reshape(batches, rows)
    return drawn[np.argsort(valid_share(drawn))[batches // 2]]


def thinned(lengths: np.ndarray, rows: int) -> np.ndarray:
    """Positions of fewer records of a batch: the longest, and those that keep its padding."""
    *others, longest = np.argsort(lengths)
    total = valid_share(lengths) * lengths.max() * rows
    mean_of_others = (total - lengths[longest]) / (rows - 1)
    nearest = np.argsort(np.abs(lengths[others] - mean_of_others))[: rows - 1]
    return np.array([longest, *np.array(others)[nearest]])


def valid_share(lengths: np.ndarray) -> np.ndarray:
    """The part of the steps of padded batches `[..., rows]` that is valid."""
    return lengths.mean(-1) / lengths.max(-1)


def _step_reports(folder: pathlib.Path, lengths: np.ndarray, rows: int) -> dict[str, list[Any]]:
    """What all models report of their steps; in between, rates of matrix products by "dtype *"."""
    arguments = {key: [f"--batch_size={rows}"] for key in DTYPES}
    arguments["tf_keras"] = [as_argument(range(rows))]
    arguments["keras"] = [as_argument(thinned(lengths[:rows], KERAS_ROWS))]
    dataset = signal_dataset(folder, lengths)
    runs: dict[str, Callable[[], Any]] = {}
    with contextlib.ExitStack() as stack:
        for key in KEYS:
            worker = start_model(key, folder, dataset, *arguments[key])
            runs[key] = stack.enter_context(worker).step
        for dtype in DTYPES:
            runs[f"{dtype} *"] = functools.partial(product_gflops, dtype)
        return alternately(runs, REPEATS)


def as_argument(numbers: Iterable[int]) -> str:
    """The numbers of a batch's recordings, as the workers take them."""
    return f"--records={','.join(map(str, numbers))}"


def _step_rows(reports: dict[str, list[Any]]) -> list[Row]:
    secs, cpu_secs = (_per_valid_step(reports, name) for name in ("secs", "cpu_secs"))
    rows = [
        against(f"training, {ours} / {peer}", secs[ours], secs[peer], "ms/valid step", n)
        for (peer, ours), n in TARGETS.items()
    ]
    for dtype in DTYPES:
        rate = 1e3 * STEP_GFLOP / statistics.median(secs[dtype])
        peak = statistics.median(reports[f"{dtype} *"])
        name = f"{dtype}, {rate:.0f} of {peak:.0f} GFLOP/s"
        details = {"peak": reports[f"{dtype} *"]}
        rows.append(Row(name, rate / peak, "of a matrix product", details=details))
    # The same in processor seconds, which other work on the machine disturbs less.
    name, unit = "processor time, {} / {}", "CPU ms/valid step"
    return rows + [
        against(name.format(ours, peer), cpu_secs[ours], cpu_secs[peer], unit)
        for peer, ours in TARGETS
    ]


def _per_valid_step(reports: dict[str, list[Any]], name: str) -> dict[str, list[float]]:
    return {key: [1e3 * r[name] / r["valid_steps"] for r in reports[key]] for key in KEYS}


if __name__ == "__main__":
    section_main(run)

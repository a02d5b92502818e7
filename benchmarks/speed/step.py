"""Training step of the published signal model: ours beside the source's code.

The recordings are the same, of lognormal lengths. The source's code trains on random batches
padded to their longest, of which one with the median padding of 1,000 stands for all; ours trains
on the planned batches of an epoch, that one's recordings among them. Each model is a process of
its own, which makes a step when it is its turn. First steps, which compile, are left out;
`benchmarks.speed.start` measures those.
"""

import contextlib
import dataclasses
import pathlib
import statistics
import tempfile
from collections.abc import Iterable

import numpy as np

from benchmarks.harness.measure import Row, against, product_gflops
from benchmarks.harness.signal_set import convert, lognormal_lengths, write_npz
from benchmarks.harness.worker import Worker

ROWS, REPEATS = 32, 5
# Keras 3 needs 14 to 23 MB a padded step (9.4 GB for 8 rows of 82 steps; in 23 GB it was killed
# at 32 rows), so it gets a batch of fewer rows with as much padding.
KERAS_ROWS = 4
SAMPLES = 3000
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
    with tempfile.TemporaryDirectory() as folder:
        return _step_rows(*_step_reports(make_set(folder, lengths), lengths, rows))


@dataclasses.dataclass(frozen=True)
class Places:
    """The recordings as npz files and as a dataset."""

    npz: str
    dataset: str

    def start(self, key: str, *arguments: str) -> Worker:
        """Starts the worker of one model; it waits for its first turn."""
        if key in ("keras", "tf_keras"):
            module = "benchmarks.peers.signal_worker"
            return Worker(module, f"--keras={key}", f"--folder={self.npz}", *arguments)
        module = "benchmarks.speed.step_worker"
        return Worker(module, f"--precision={key}", f"--dataset={self.dataset}", *arguments)


def make_set(folder: str, lengths: np.ndarray) -> Places:
    """Writes and converts recordings of these lengths."""
    path = pathlib.Path(folder, "set")
    write_npz(path, lengths, (SAMPLES, 1))
    return Places(str(path), convert(path))


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


def _step_reports(
    places: Places, lengths: np.ndarray, rows: int
) -> tuple[dict[str, list[dict]], dict[str, list[float]]]:
    """What all models report of their steps, by model; rates of matrix products in between."""
    arguments = {key: [f"--batch_size={rows}"] for key in DTYPES}
    arguments["tf_keras"] = [as_argument(range(rows))]
    arguments["keras"] = [as_argument(thinned(lengths[:rows], KERAS_ROWS))]
    reports: dict[str, list[dict]] = {key: [] for key in KEYS}
    peaks: dict[str, list[float]] = {dtype: [] for dtype in DTYPES}
    with contextlib.ExitStack() as stack:
        workers = {
            key: stack.enter_context(contextlib.closing(places.start(key, *arguments[key])))
            for key in KEYS
        }
        for _ in range(REPEATS):
            for key, worker in workers.items():
                reports[key].append(worker.step())
            for dtype, rates in peaks.items():
                rates.append(product_gflops(dtype))
    return reports, peaks


def as_argument(numbers: Iterable[int]) -> str:
    """The numbers of a batch's recordings, as the workers take them."""
    return f"--records={','.join(map(str, numbers))}"


def _step_rows(steps: dict[str, list[dict]], peaks: dict[str, list[float]]) -> list[Row]:
    per_valid = {key: [1e3 * r["secs"] / r["valid_steps"] for r in steps[key]] for key in KEYS}
    rows = [
        against(f"training, {ours} / {peer}", per_valid[ours], per_valid[peer], "ms/valid step", n)
        for (peer, ours), n in TARGETS.items()
    ]
    for dtype, rates in peaks.items():
        rate = 1e3 * STEP_GFLOP / statistics.median(per_valid[dtype])
        peak = statistics.median(rates)
        name = f"{dtype}, {rate:.0f} of {peak:.0f} GFLOP/s"
        rows.append(Row(name, rate / peak, "of a matrix product", details={"peak": rates}))
    return [*rows, *_processor_rows(steps)]


def _processor_rows(steps: dict[str, list[dict]]) -> list[Row]:
    """The same in processor seconds, which other work on the machine disturbs less."""
    per_valid = {key: [1e3 * r["cpu_secs"] / r["valid_steps"] for r in steps[key]] for key in KEYS}
    unit = "CPU ms/valid step"
    return [
        against(f"processor time, {ours} / {peer}", per_valid[ours], per_valid[peer], unit)
        for peer, ours in TARGETS
    ]

"""Training step of the published signal model: ours beside the source's code.

The recordings are the same, of lognormal lengths. The source's code trains on random batches
padded to their longest, of which the one with the median padding stands for all; ours trains on
the planned batches of an epoch. Each model is a process of its own, which makes a step when it is
its turn. From its start to the end of its first step, which compiles, is measured with a smaller
batch, the same for all.
"""

import dataclasses
import pathlib
import statistics
import tempfile

import numpy as np

from benchmarks.measure import Row, against, product_gflops
from benchmarks.signal_set import convert, lognormal_lengths, write_npz
from benchmarks.worker_process import Worker

ROWS, FIRST_ROWS, REPEATS = 32, 8, 5
SAMPLES = 3000
KEYS = ("float32", "bfloat16", "keras", "tf_keras")
# Multiplications and additions of the published model for one time step, forward; a training step
# takes three times as many, without the first convolution's gradient of the signal. By layer:
# outputs x kernel samples x channels x filters of the convolutions, then both GRUs.
_CONVOLUTIONS = (990 * 32 * 32, 480 * 32 * 32 * 32, 225 * 32 * 32 * 32, 97 * 32 * 32 * 32)
_RECURRENCES = (3104 + 256) * 3 * 256 + (256 + 128) * 3 * 128
STEP_GFLOP = 2e-9 * (3 * (sum(_CONVOLUTIONS) + _RECURRENCES) - _CONVOLUTIONS[0])


def run(quick: bool = False) -> list[Row]:
    """Measures; about eight minutes, most of them spent by the peers."""
    rows, first_rows = (4, 2) if quick else (ROWS, FIRST_ROWS)
    lengths = lognormal_lengths(rows * REPEATS)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "set")
        write_npz(path, lengths, (SAMPLES, 1))
        places = Places(str(path), convert(path))
        steps = _step_reports(places, lengths, rows)
        starts = _start_secs(places, range(first_rows))
    return [*_step_rows(steps), *_start_rows(starts)]


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
        module = "benchmarks.step_worker"
        return Worker(module, f"--precision={key}", f"--dataset={self.dataset}", *arguments)


def typical_batch(lengths: np.ndarray, rows: int) -> range:
    """Of the batches as they come, the records of that with the median share of padding."""
    batches = lengths[: len(lengths) // rows * rows].reshape(-1, rows)
    share = batches.sum(1) / (rows * batches.max(1))
    median = int(np.argsort(share)[len(share) // 2])
    return range(median * rows, (median + 1) * rows)


def _step_reports(places: Places, lengths: np.ndarray, rows: int) -> dict[str, list[dict]]:
    """What all models report of their steps, by model."""
    batch = _records(typical_batch(lengths, rows))
    arguments = {key: [batch] for key in ("keras", "tf_keras")}
    arguments |= {key: [f"--batch_size={rows}"] for key in ("float32", "bfloat16")}
    workers = {key: places.start(key, *arguments[key]) for key in KEYS}
    reports: dict[str, list[dict]] = {key: [] for key in KEYS}
    for _ in range(REPEATS):
        for key, worker in workers.items():
            reports[key].append(worker.step())
    for worker in workers.values():
        worker.close()
    return reports


def _start_secs(places: Places, batch: range) -> dict[str, list[float]]:
    """Seconds from a process's start to the end of its first step, by model."""
    secs: dict[str, list[float]] = {key: [] for key in ("float32", "keras", "tf_keras")}
    for _ in range(REPEATS):
        for key, figures in secs.items():
            worker = places.start(key, _records(batch))
            figures.append(worker.first_secs)
            worker.close()
    return secs


def _records(numbers: range) -> str:
    return f"--records={','.join(map(str, numbers))}"


def _step_rows(steps: dict[str, list[dict]]) -> list[Row]:
    per_valid = {key: [1e3 * r["secs"] / r["valid_steps"] for r in steps[key]] for key in KEYS}
    targets = {("keras", "float32"): 12, ("keras", "bfloat16"): 25,
               ("tf_keras", "float32"): 5, ("tf_keras", "bfloat16"): 10}  # fmt: skip
    rows = [
        against(f"training, {ours} / {peer}", per_valid[ours], per_valid[peer], "ms/valid step", n)
        for (peer, ours), n in targets.items()
    ]
    for dtype in ("float32", "bfloat16"):
        peak = product_gflops(dtype)
        share = STEP_GFLOP / statistics.median(per_valid[dtype]) * 1e3 / peak
        rows.append(
            Row(f"{dtype}, share of {peak:.0f} GFLOP/s", share, "of the matrix product's rate")
        )
    return rows


def _start_rows(firsts: dict[str, list[float]]) -> list[Row]:
    return [
        against(f"start to first step, float32 / {peer}", firsts["float32"], firsts[peer], "s", n)
        for peer, n in (("keras", 4), ("tf_keras", None))
    ]

"""From the start of a process to the end of its first training step, which compiles.

The published signal model on one small batch, the same for all; every figure is a fresh process.
"""

import tempfile

from benchmarks.harness.measure import Row, against
from benchmarks.harness.signal_set import lognormal_lengths
from benchmarks.speed.step import as_argument, make_set

ROWS, REPEATS = 8, 5
# How many times longer the source's code must take.
TARGETS = {"keras": 4.0, "tf_keras": None}


def run(quick: bool = False) -> list[Row]:
    """Measures; about four minutes, most of them spent by the peers."""
    rows = 2 if quick else ROWS
    keys = ("float32", *TARGETS)
    secs: dict[str, list[float]] = {key: [] for key in keys}
    cpu_secs: dict[str, list[float]] = {key: [] for key in keys}
    with tempfile.TemporaryDirectory() as folder:
        places = make_set(folder, lognormal_lengths(rows))
        for _ in range(REPEATS):
            for key in keys:
                worker = places.start(key, as_argument(range(rows)))
                secs[key].append(worker.first_secs)
                cpu_secs[key].append(worker.first["process_cpu_secs"])
                worker.close()
    name = "start to first step, float32 / {}"
    return [
        *(
            against(name.format(peer), secs["float32"], secs[peer], "s", least)
            for peer, least in TARGETS.items()
        ),
        *(
            against(name.format(peer), cpu_secs["float32"], cpu_secs[peer], "CPU s")
            for peer in TARGETS
        ),
    ]

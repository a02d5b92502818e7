"""Conversion of npz signals against a bare loop, Beam's writer and a tensorflow-datasets builder.

    python -m benchmarks.speed.conversion_speed [--quick] [--only=peers|processes] [--json=FILE]

Records of 4 MB: `[333, 3000, 1]` float32 with a class per step. Each contender runs in a process
of its own, pinned to one core, in turns with the others; a turn is a whole conversion. Counted are
processor seconds of all threads, at two sizes of set: their difference is the cost of the records,
without what a conversion costs once (0.5 s for ours: building the Beam graph). The slow contenders
convert smaller sets. Two processes are compared with one by the wall time in which shards are
written. Before each turn memory is filled with cached files, see `benchmarks/speed/page_cache.py`.
Contenders are in `benchmarks/peers/conversions.py`.

Where the time of ours goes, in processor seconds per GB, measured one by one on one core:

    read the npz           0.10   0.33 with the CRC-32 of zlib (`pipeline/sources/npz.py`)
    serialize              0.03   0.53 with protobuf (`tfrecords_schema/example.py`)
    statistics             0.32   float64; NaN and infinity show in them, so no scan of their own
    CRC-32C                0.04
    write                  0.29   tf.io.TFRecordWriter 0.56 (`tfrecords_schema/record_writer.py`)
    SHA-256                0.56   0.70 by reading the shard again

The bare loop has np.load 0.46, `tobytes` 0.03, protobuf 0.46, tf.io.TFRecordWriter 0.56.
"""

import argparse
import functools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks.harness.measure import Row, alternately, conditions
from benchmarks.harness.worker import Worker
from benchmarks.speed.page_cache import PageCache

PARTS = ("peers", "processes")
_RECORD_GB = 333 * 3000 * 4 / 1e9
_REPEATS = 5
# Contender, how many times its cost per GB ours must be.
_TARGETS = {"bare": 0.8, "float_lists": 15.0, "tfds_beam": 3.0}
_NAMES = {
    "bare": "bare loop, TFRecordWriter, bytes features",
    "float_lists": "Beam WriteToTFRecord, float lists",
    "tfds_beam": "TFDS Beam builder, bytes features",
}


def run(*, quick: bool = False, parts: Collection[str] = PARTS) -> Iterator[Row]:
    """Yields the rows of the table."""
    small, large, slow = (2, 10, 10) if quick else (8, 250, 32)
    with tempfile.TemporaryDirectory() as folder:
        sets = _Sets(pathlib.Path(folder), max(small, large), fills=not quick)
        repeats = 1 if quick else _REPEATS
        if "peers" in parts:
            yield from _against_peers(sets, (small, large), (small, slow), repeats)
        if "processes" in parts:
            yield _two_processes(sets, large, repeats)


class _Sets:
    """Input folders with the first so many of the same records."""

    def __init__(self, folder: pathlib.Path, count: int, *, fills: bool):
        self.folder = folder
        self._page_cache = PageCache(folder) if fills else None
        self._all = folder / "all"
        self._all.mkdir()
        random = np.random.default_rng(0)
        for number in range(count):
            signal = random.standard_normal((333, 3000, 1), np.float32)
            np.savez(self._all / f"r{number:05d}.npz", signal=signal, label=np.arange(333) % 2)

    def fill_page_cache(self) -> None:
        """Before each measurement: what was removed since would be free memory."""
        if self._page_cache:
            self._page_cache.fill()

    def first(self, count: int) -> str:
        """A folder with `count` records."""
        folder = self.folder / f"first{count}"
        if not folder.exists():
            folder.mkdir()
            for path in sorted(self._all.iterdir())[:count]:
                os.link(path, folder / path.name)
        return str(folder)


def _against_peers(
    sets: _Sets, sizes: tuple[int, int], slow_sizes: tuple[int, int], repeats: int
) -> Iterator[Row]:
    contenders = {way: slow_sizes for way in _TARGETS} | {"bare": sizes, "ours": sizes}
    with ExitStack() as stack:
        runs = {}
        for way, counts in contenders.items():
            for count in counts:
                worker = stack.enter_context(closing(_worker(way, sets, count)))
                runs[f"{way} {count}"] = functools.partial(_turn, worker, sets)
        reports = alternately(runs, repeats)
    costs = {
        way: _per_gb(*(_cpu_secs(reports[f"{way} {count}"]) for count in sizes), *sizes)
        for way, sizes in contenders.items()
    }
    for way, target in _TARGETS.items():
        yield _row(way, costs, target, reports)


def _turn(worker: Worker, sets: _Sets) -> dict[str, float]:
    sets.fill_page_cache()
    return worker.step()


def _row(way: str, costs: dict[str, list[float]], target: float, reports: dict[str, Any]) -> Row:
    ours, peer = statistics.median(costs["ours"]), statistics.median(costs[way])
    return Row(
        f"conversion against {_NAMES[way]}", ours, "processor s/GB", peer, peer / ours,
        f"at least {target:g} times", peer / ours >= target,
        {"ours": costs["ours"], "peer": costs[way], "turns": reports},
    )  # fmt: skip


def _cpu_secs(reports: list[dict[str, float]]) -> list[float]:
    return [report["cpu_secs"] for report in reports]


def _per_gb(low: list[float], high: list[float], few: int, many: int) -> list[float]:
    """Processor seconds per GB, one for each turn."""
    once = statistics.median(low)
    return [(secs - once) / ((many - few) * _RECORD_GB) for secs in high]


def _worker(way: str, sets: _Sets, count: int) -> Worker:
    output = sets.folder / f"output_{way}_{count}"
    arguments = (f"--way={way}", f"--inputs={sets.first(count)}", f"--output={output}")
    return Worker("benchmarks.peers.conversions", *arguments, "--core=0")


def _two_processes(sets: _Sets, count: int, repeats: int) -> Row:
    runs = {
        str(workers): lambda workers=workers: _convert(sets, workers, count) for workers in (1, 2)
    }
    figures = alternately(runs, repeats)
    one, two = (statistics.median(figures[workers]) for workers in runs)
    return Row(
        "two processes on two cores against one on one", two, "s, start-up apart", one, one / two,
        "at least 1.7 times", one / two >= 1.7, {"secs": figures},
    )  # fmt: skip


def _convert(sets: _Sets, workers: int, count: int) -> float:
    """Wall seconds that a conversion with worker processes, on as many cores, writes shards."""
    sets.fill_page_cache()
    with tempfile.TemporaryDirectory() as output, _pinned(workers):
        command = [
            *(sys.executable, "-m", "pipeline", "--source=signals", "--name=bench"),
            *(f"--input_dir={sets.first(count)}", f"--output_dir={output}", "--splits=train=1"),
            *("--num_shards=8", "--direct_running_mode=multi_processing"),
            f"--direct_num_workers={workers}",
        ]
        subprocess.run(command, check=True, capture_output=True)
        return _writing_secs(pathlib.Path(output))


def _writing_secs(folder: pathlib.Path) -> float:
    """From the beginning of the first shard to the end of the last.

    What comes before, the start of Python and Beam in each process, takes 8 to 15 s, so that the
    difference of two conversions, of few and of many records, says nothing of the few it is about.
    """
    shards = map(str, folder.rglob("*.tfrecord-*"))
    command = ["stat", "--format=%.W %.Y", *shards]  # When it was made, and last written to.
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    begun, ended = zip(*(map(float, line.split()) for line in lines), strict=True)
    return max(ended) - min(begun)


@contextmanager
def _pinned(cores: int) -> Iterator[None]:
    """What is started meanwhile stays on the first so many cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def main() -> int:
    """Prints the table; returns 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sets, to try it out")
    parser.add_argument("--only", choices=PARTS, help="one part of the table")
    parser.add_argument("--json", default="", help="file for all figures")
    args = parser.parse_args()
    found = conditions()
    for name, value in found.items():
        print(f"{name:20}{value}")
    rows = []
    for row in run(quick=args.quick, parts=[args.only] if args.only else PARTS):
        rows.append(row)
        print(
            f"{row.what:72}{row.ours:8.2f}{row.peer:8.2f}  {row.unit:20}{row.ratio:7.2f} x  "
            f"{row.target:20} {'yes' if row.holds else 'NO'}",
            flush=True,
        )
    if args.json:
        pathlib.Path(args.json).write_text(
            json.dumps({"conditions": found, "rows": [asdict(row) for row in rows]}, indent=1)
        )
    return int(not all(row.holds for row in rows))


if __name__ == "__main__":
    sys.exit(main())

"""Conversion of npz signals against a bare loop, Beam's writer and a tensorflow-datasets builder.

Records of 4 MB: `[333, 3000, 1]` float32 with a class per step. Each contender runs in a process
of its own, pinned to one core, in turns with the others; a turn is a whole conversion. Counted are
processor seconds of all threads, at two sizes of set: their difference is the cost of the records,
without what a conversion costs once (0.5 s for ours: building the Beam graph). The slow contenders
convert smaller sets. Two processes are compared with one by the wall time in which shards are
written. Contenders are in `benchmarks/peers/conversions.py`.

Before each turn memory is filled with cached files, as on a machine that has been in use for a
while. A virtual machine may hand free memory back to its host and has to get it again, page by
page, for each new file that somebody writes. That took between 0.1 and 2 s a GB, whoever it hit.
Pages that hold cached files are at hand: writing takes them over.

docs/benchmarks.md has where the time goes, measured part by part.
"""

import functools
import os
import pathlib
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from benchmarks.harness.measure import Row, against, alternately, kernel_kb
from benchmarks.harness.processes import run_module, temporary_folder
from benchmarks.harness.recordings import SAMPLES, conversion_flags, write_labelled
from benchmarks.harness.tables import section_main
from benchmarks.harness.worker import Worker

_STEPS = 333
_RECORD_GB = _STEPS * SAMPLES * 4 / 1e9
_REPEATS = 5
# Contender, how many times its cost per GB ours must be.
_TARGETS = {"bare": 0.8, "float_lists": 15.0, "tfds_beam": 3.0}
_NAMES = {
    "bare": "bare loop, TFRecordWriter, bytes features",
    "float_lists": "Beam WriteToTFRecord, float lists",
    "tfds_beam": "TFDS Beam builder, bytes features",
}
_PIECE_BYTES = 1 << 20


def run(quick: bool = False) -> Iterator[Row]:
    """Yields the rows of the table; nine minutes."""
    small, large, slow = (2, 10, 10) if quick else (8, 250, 32)
    repeats = 1 if quick else _REPEATS
    with temporary_folder() as folder:
        sets = Sets(folder, max(small, large), fills=not quick)
        yield from _against_peers(sets, (small, large), (small, slow), repeats)
        yield _two_processes(sets, large, repeats)


class Sets:
    """Input folders with the first so many of the same records."""

    def __init__(self, folder: pathlib.Path, count: int, *, fills: bool):
        self.folder = folder
        self._fills = fills
        write_labelled(folder / "all", count, _STEPS)

    def fill_page_cache(self) -> None:
        """Before each measurement: what was removed since would be free memory.

        Reads as much as memory is free (Linux; elsewhere nothing) of a file of holes, which takes
        no space on the disk. 2 s a GB at worst.
        """
        if not self._fills:
            return
        with (self.folder / "holes").open("ab") as file:
            start = file.tell()
            file.truncate(start + kernel_kb("/proc/meminfo", "MemFree") * 1024)
        piece = bytearray(_PIECE_BYTES)
        with (self.folder / "holes").open("rb", buffering=0) as file:
            file.seek(start)
            while file.readinto(piece):
                pass

    def first(self, count: int) -> str:
        """A folder with `count` records."""
        folder = self.folder / f"first{count}"
        if not folder.exists():
            folder.mkdir()
            for path in sorted((self.folder / "all").iterdir())[:count]:
                os.link(path, folder / path.name)
        return str(folder)


def _against_peers(
    sets: Sets, sizes: tuple[int, int], slow_sizes: tuple[int, int], repeats: int
) -> Iterator[Row]:
    contenders = {way: slow_sizes for way in _TARGETS} | {"bare": sizes, "ours": sizes}
    with ExitStack() as stack:
        runs = {}
        for way, counts in contenders.items():
            for count in counts:
                worker = stack.enter_context(_worker(way, sets, count))
                runs[f"{way} {count}"] = functools.partial(turn, worker, sets)
        reports = alternately(runs, repeats)
    secs = {key: [report["cpu_secs"] for report in found] for key, found in reports.items()}
    costs = {
        way: per_gb(secs[f"{way} {few}"], secs[f"{way} {many}"], many - few)
        for way, (few, many) in contenders.items()
    }
    for way, target in _TARGETS.items():
        name = f"conversion against {_NAMES[way]}"
        yield against(name, costs["ours"], costs[way], "processor s/GB", target, turns=reports)


def turn(worker: Worker, sets: Sets) -> dict[str, float]:
    """One conversion, in memory as it is on a machine that has been in use."""
    sets.fill_page_cache()
    return worker.step()


def per_gb(low: list[float], high: list[float], more_records: int) -> list[float]:
    """Seconds per GB, one for each turn with many records."""
    once = statistics.median(low)
    return [(secs - once) / (more_records * _RECORD_GB) for secs in high]


def _worker(way: str, sets: Sets, count: int) -> Worker:
    output = sets.folder / f"output_{way}_{count}"
    arguments = (f"--way={way}", f"--inputs={sets.first(count)}", f"--output={output}")
    return Worker("benchmarks.peers.conversions", *arguments, "--core=0")


def _two_processes(sets: Sets, count: int, repeats: int) -> Row:
    runs = {workers: functools.partial(_convert, sets, workers, count) for workers in ("1", "2")}
    secs = alternately(runs, repeats)
    name = "two processes on two cores against one on one"
    return against(name, secs["2"], secs["1"], "s, start-up apart", 1.7)


def _convert(sets: Sets, workers: str, count: int) -> float:
    """Wall seconds that a conversion with worker processes, on as many cores, writes shards."""
    sets.fill_page_cache()
    with temporary_folder() as output, _pinned(int(workers)):
        flags = [*conversion_flags(output), f"--input_dir={sets.first(count)}", "--num_shards=8"]
        flags += ["--direct_running_mode=multi_processing", f"--direct_num_workers={workers}"]
        run_module("pipeline", *flags)
        return _writing_secs(output)


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


if __name__ == "__main__":
    section_main(run)

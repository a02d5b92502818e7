"""Peak resident memory of a conversion, per process: it must not grow with the set or the shard.

    python -m benchmarks.speed.conversion_memory [--set_mb=1000] [--record_mb=4]
    python -m benchmarks.speed.conversion_memory --small_records=10000,100000,1000000

Makes a set of npz signals in a temporary folder, converts it in one process and with two worker
processes, and prints the peak of each process (Linux: VmHWM). Fails above 700 MB in any of them.
With `--small_records`, sets of so many records of 60 bytes are converted in one process (a million
takes ten minutes). The in-process runner keeps packs of all paths and descriptions in memory; fails
where the peak grows by more than the rows of the index take. The files are links to a few, or
making them would take longer than converting them.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import pyarrow.parquet as pq

_LIMIT_MB = 700
_POLL_SECS = 0.05
_WORKERS = ["--direct_num_workers=2", "--direct_running_mode=multi_processing"]


def main() -> int:
    """Runs both conversions and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set_mb", type=float, default=1000)
    parser.add_argument("--record_mb", type=float, default=4)
    parser.add_argument("--shard_size_mib", type=float, default=128)
    parser.add_argument("--small_records", default="", help="numbers of records, by commas")
    args = parser.parse_args()
    if args.small_records:
        return _small_records(sorted(map(int, args.small_records.split(","))))
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        inputs = pathlib.Path(folder, "inputs")
        _make_set(inputs, args.set_mb, args.record_mb)
        print(f"{'workers':<16}{'secs':>7}{'MB/s':>7}  peak resident MB per process")
        for label, flags in (("in process", []), ("two processes", _WORKERS)):
            output = str(pathlib.Path(folder, label.replace(" ", "_")))
            flags = [*flags, f"--shard_size_mib={args.shard_size_mib:g}"]
            secs, peaks = _convert(inputs, output, flags)
            shown = ", ".join(f"{peak:.0f}" for peak in sorted(peaks, reverse=True))
            print(f"{label:<16}{secs:>7.1f}{args.set_mb / secs:>7.0f}  {shown}", flush=True)
            worst = max(worst, *peaks)
    print(f"peak {worst:.0f} MB, limit {_LIMIT_MB} MB")
    return int(worst > _LIMIT_MB)


def _small_records(counts: list[int]) -> int:
    print(f"{'records':>9}{'secs':>8}{'a second':>10}{'peak MB':>9}{'index MB':>10}")
    peaks, indexes = [], []
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            inputs, output = pathlib.Path(folder, "inputs"), pathlib.Path(folder, "output")
            _link_small_set(inputs, count)
            secs, found = _convert(inputs, str(output), [])
            indexes.append(pq.read_table(next(output.rglob("index.parquet"))).nbytes / 1e6)
        peaks.append(max(found))
        rate = count / secs
        print(
            f"{count:>9}{secs:>8.0f}{rate:>10.0f}{peaks[-1]:>9.0f}{indexes[-1]:>10.0f}", flush=True
        )
    grown, limit = peaks[-1] - peaks[0], indexes[-1] - indexes[0]
    print(f"grown by {grown:.0f} MB, limit {limit:.0f} MB")
    return int(grown > limit)


def _link_small_set(folder: pathlib.Path, count: int) -> None:
    for number in range(count):
        group = folder / f"{number // 1000:04d}"
        if number % 1000 == 0:
            group.mkdir(parents=True)
        # A file can have some 60,000 names.
        first = folder / f"{number // 50_000 * 50:04d}" / "000.npz"
        if number % 50_000 == 0:
            np.savez(first, signal=np.ones((5, 3), np.float32), label=1)
        else:
            os.link(first, group / f"{number % 1000:03d}.npz")


def _make_set(folder: pathlib.Path, set_mb: float, record_mb: float) -> None:
    folder.mkdir()
    random = np.random.default_rng(0)
    steps = max(1, round(record_mb * 1e6 / (3000 * 4)))
    for number in range(round(set_mb / record_mb)):
        signal = random.standard_normal((steps, 3000, 1), np.float32)
        np.savez(folder / f"r{number:05d}.npz", signal=signal, label=np.arange(steps) % 2)


def _convert(inputs: pathlib.Path, output: str, flags: list[str]) -> tuple[float, list[float]]:
    command = [sys.executable, "-m", "pipeline", "--source=signals", f"--input_dir={inputs}"]
    command += [f"--output_dir={output}", "--name=bench", "--splits=train=1", *flags]
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peaks: dict[int, float] = {}
    while process.poll() is None:
        for pid in _tree(process.pid):
            peaks[pid] = max(peaks.get(pid, 0.0), _peak_mb(pid))
        time.sleep(_POLL_SECS)
    if process.returncode:
        raise SystemExit(f"the conversion failed: {' '.join(command)}")
    # The shells that start the workers hold a few MB; they are not the question.
    return time.monotonic() - started, [peak for peak in peaks.values() if peak > 20]


def _tree(root: int) -> list[int]:
    parents = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # It ended meanwhile.
        parents[int(stat.parent.name)] = int(fields[1])
    tree = [root]
    for pid in tree:  # Grows while it is walked.
        tree += [child for child, parent in parents.items() if parent == pid]
    return tree


def _peak_mb(pid: int) -> float:
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1000
    except OSError:
        pass  # It ended meanwhile.
    return 0.0


if __name__ == "__main__":
    sys.exit(main())

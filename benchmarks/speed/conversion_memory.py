"""Peak resident memory of a conversion, which must not grow with the number of records.

    python -m benchmarks.speed.conversion_memory --small_records=10000,1000000
    python -m benchmarks.speed.conversion_memory --small_records=1000,10000 \\
        --source=edf --name=a.edf

Converts sets of so many records in one process: npz files of 60 bytes (a million takes ten
minutes), or those of another kind, each a good file of `benchmarks/faults/kind_files.py`. The
in-process runner keeps packs of all paths and descriptions in memory; fails where the peak grows by
more than the rows of the index take, and a tenth. The files are links to a few, or making them
would take longer than converting them.
"""

import os
import pathlib
import shutil
import sys
import time
from collections.abc import Mapping

import numpy as np
import pyarrow.parquet as pq

from benchmarks.faults.kind_files import Format, formats
from benchmarks.harness.flags import parse_flags
from benchmarks.harness.processes import peak_mb, start_module, temporary_folder
from benchmarks.harness.recordings import conversion_flags


def main() -> int:
    """Converts the sets and prints a line for each; returns 1 if the peak grows too much."""
    args = parse_flags(__doc__, small_records="10000,1000000", source="signals", name="")
    print(f"{'records':>9}{'secs':>8}{'a second':>10}{'peak MB':>9}{'index MB':>10}")
    peaks, indexes = [], []
    for count in sorted(map(int, args.small_records.split(","))):
        with temporary_folder() as folder:
            own: Mapping[str, object] = {}
            if args.name:
                made = formats()[args.source, args.name]
                _link_recordings(folder, made, count)
                own = made.options
            else:
                _link_small_set(folder / "inputs", count)
            started = time.monotonic()
            peaks.append(_convert(folder, source=args.source, **own))
            secs = time.monotonic() - started
            indexes.append(pq.read_table(next(folder.rglob("index.parquet"))).nbytes / 1e6)
        figures = f"{count:>9}{secs:>8.0f}{count / secs:>10.0f}"
        print(f"{figures}{peaks[-1]:>9.0f}{indexes[-1]:>10.0f}", flush=True)
    grown, limit = peaks[-1] - peaks[0], indexes[-1] - indexes[0]
    limit += peaks[0] / 10 if args.name else 0  # What of other libraries' is in use, varies.
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


def _link_recordings(folder: pathlib.Path, made: Format, count: int) -> None:
    """Each recording in a folder of its own, with the files of the first."""
    (folder / "made").mkdir()
    made.write(folder / "made")
    for number in range(count):
        target = folder / "inputs" / f"{number // 1000:04d}" / f"{number % 1000:03d}"
        shutil.copytree(folder / "made", target, copy_function=os.link)


def _convert(folder: pathlib.Path, **options: object) -> float:
    """Peak of a conversion in MB."""
    flags = [*conversion_flags(folder / "output"), f"--input_dir={folder / 'inputs'}"]
    flags += [f"--{name}={value}" for name, value in options.items()]
    code, peak = peak_mb(start_module("pipeline", *flags, log=folder / "log"))
    if code:
        sys.exit(f"error: the conversion failed: {(folder / 'log').read_text()}")
    return peak


if __name__ == "__main__":
    sys.exit(main())

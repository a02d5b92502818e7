"""A full disk during a conversion, a checkpoint and a report: nothing is lost, going on works.

    python -m benchmarks.faults.full_disk [--conversions=12] [--trainings=8] [--reports=4]

Every third conversion has two worker processes; every third replaces a finished dataset.
Everything is written to a small tmpfs (mounting one needs root) on which a file leaves some
random number of bytes. After the failure the file is removed and the same command is given again.
Counted as violations: an end without a message that names the full disk, or with a traceback; a
dataset, checkpoint, best weights or report that was whole before and is not; and a result that is
not, byte for byte, that of a run with space enough. Exits with 1 after a violation.
"""

from pipeline.console import quiet

quiet.start(gpu=True)

import argparse
import collections
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.faults import training_kills
from benchmarks.faults.conversion_kills import WORKERS, Conversion, write_recordings
from benchmarks.harness.processes import fork, hashes, print_table, wait
from tfrecords_schema.verify import verify_dataset
from trainer import __main__ as trainer_command

_DISK_MB = 64
_MESSAGE = "No space left on device"


class Disk:
    """A small file system, and a file in it that leaves as much space as one wants."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self._filler = folder / "filler"

    @property
    def free_bytes(self) -> int:
        """Bytes that are left."""
        stat = os.statvfs(self.folder)
        return stat.f_bavail * stat.f_frsize

    def fill(self, free_bytes: int) -> None:
        """Leaves so many bytes, rounded up to a page."""
        self.clear()
        with self._filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, self.free_bytes - free_bytes))

    def clear(self) -> None:
        """Makes space."""
        self._filler.unlink(missing_ok=True)


@contextlib.contextmanager
def mounted_disk(parent: pathlib.Path) -> Iterator[Disk]:
    """A tmpfs for as long as it is needed.

    Raises:
      subprocess.CalledProcessError: if it cannot be mounted.
    """
    folder = parent / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={_DISK_MB}m", "none", str(folder)]
    subprocess.run(["mount", *options], check=True, capture_output=True)
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def main(argv: list[str]) -> int:
    """Runs all trials and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversions", type=int, default=12)
    parser.add_argument("--trainings", type=int, default=8)
    parser.add_argument("--reports", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    counts: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as name, mounted_disk(pathlib.Path(name)) as disk:
        root = pathlib.Path(name)
        rng = np.random.default_rng(args.seed)
        if args.conversions:
            _conversions(root, disk, rng, args.conversions, counts)
        if args.trainings or args.reports:
            _trainings(root, disk, rng, args, counts)
    rows = sorted(counts.items(), key=lambda item: (item[0].startswith("VIOLATION"), item[0]))
    print_table(("what", "count"), rows)
    return int(any(count for name, count in rows if name.startswith("VIOLATION")))


def _conversions(
    root: pathlib.Path,
    disk: Disk,
    rng: np.random.Generator,
    trials: int,
    counts: collections.Counter[str],
) -> None:
    write_recordings(root / "inputs")
    quiet = Conversion(root / "inputs", root / "quiet")
    if wait(quiet.start()):
        raise SystemExit(quiet.log.read_text())
    expected = hashes(quiet.dataset)
    needed = sum(path.stat().st_size for path in quiet.dataset.rglob("*"))
    for number in range(trials):
        conversion = Conversion(root / "inputs", disk.folder / "conversion")
        conversion.log = root / f"{number}.log"
        is_overwrite = number % 3 == 2
        if is_overwrite:  # A finished dataset is there: it must stay whole.
            wait(conversion.start())
            conversion.argv += ["--overwrite", "--num_shards=3"]
        disk.fill(int(rng.uniform(0, 1.05) * needed))
        with_workers = number % 3 == 1
        has_failed = (
            conversion.start_process(*WORKERS).wait() if with_workers else wait(conversion.start())
        ) != 0
        found = conversion.whole_shards().items()
        whole = {name: inode for name, inode in found if not is_overwrite or "-of-00003" in name}
        if has_failed:
            counts["conversions stopped by a full disk"] += 1
            _check_message(conversion.log, counts)
            if is_overwrite and _is_broken(conversion):
                counts["VIOLATION: finished dataset not whole"] += 1
        disk.clear()
        if has_failed and wait(conversion.start()):
            counts["VIOLATION: would not go on"] += 1
        shards = {path.name: path.stat().st_ino for path in conversion.dataset.glob("*.tfrecord*")}
        kept = sum(shards.get(name) == inode for name, inode in whole.items())
        counts["whole shards that were kept"] += kept
        counts["VIOLATION: whole shards written again"] += len(whole) - kept
        is_same = hashes(conversion.dataset) == expected
        counts["VIOLATION: other bytes"] += not is_same and not is_overwrite
        counts["VIOLATION: not whole at the end"] += bool(
            [*verify_dataset(str(conversion.dataset))]
        )
        subprocess.run(["rm", "-rf", str(conversion.folder)], check=True)


def _is_broken(conversion: Conversion) -> bool:
    """Whether the finished dataset that was there is gone, or not whole."""
    problems = list(verify_dataset(str(conversion.dataset)))
    return any(".conversion was left" not in problem for problem in problems)


def _trainings(
    root: pathlib.Path,
    disk: Disk,
    rng: np.random.Generator,
    args: argparse.Namespace,
    counts: collections.Counter[str],
) -> None:
    wait(fork(lambda: training_kills.write_toy(root), root / "log"))
    run_dir, log, before = disk.folder / "quiet", root / "quiet.log", disk.free_bytes
    if wait(training_kills.start(root, run_dir, log=log)):
        raise SystemExit(log.read_text())
    expected, needed = training_kills.outcome(run_dir), before - disk.free_bytes
    for number in range(args.trainings):
        run_dir = disk.folder / f"run{number}"
        log = root / f"run{number}.log"
        disk.fill(int(rng.uniform(0.1, 1.0) * needed))
        has_failed = wait(training_kills.start(root, run_dir, log=log)) != 0
        disk_is_full = has_failed and _check_message(log, counts)
        counts["trainings stopped by a full disk"] += disk_is_full
        whole = _whole_checkpoints(run_dir)
        counts["whole checkpoints left"] += len(whole)
        _check_best(run_dir, counts)
        disk.clear()
        if has_failed and wait(training_kills.start(root, run_dir, log=log)):
            counts["VIOLATION: would not go on"] += 1
            print(log.read_text()[-2000:])
        elif training_kills.outcome(run_dir) != expected:
            counts["VIOLATION: other weights or losses"] += 1
        subprocess.run(["rm", "-rf", str(run_dir)], check=True)
    for number in range(args.reports):
        _report_trial(root, disk, rng, number, counts)


def _report_trial(
    root: pathlib.Path,
    disk: Disk,
    rng: np.random.Generator,
    number: int,
    counts: collections.Counter[str],
) -> None:
    run_dir, log = disk.folder / "reported", root / f"report{number}.log"
    argv = training_kills.argv_of(root, run_dir)
    if not run_dir.exists() and wait(fork(lambda: trainer_command.main([*argv, "--report"]), log)):
        raise SystemExit(log.read_text())
    before = hashes(run_dir)
    evaluate = ["--mode=evaluate", "--report"]
    run: Callable[[], int] = lambda: trainer_command.main([*argv, *evaluate])  # noqa: E731
    # From nothing at all to almost the new report beside the old one.
    disk.fill(int(rng.uniform(0, 0.9) * (run_dir / "report.html").stat().st_size))
    code = wait(fork(run, log))
    if code:
        counts["reports stopped by a full disk"] += _check_message(log, counts)
        after = hashes(run_dir)
        lost = [name for name in before if name not in after]
        counts["VIOLATION: files lost"] += len(lost)
        changed = [name for name in before if name in after and after[name] != before[name]]
        broken = [name for name in changed if (run_dir / name).stat().st_size == 0]
        counts["VIOLATION: files emptied"] += len(broken)
        counts["VIOLATION: report changed"] += "report.html" in changed
    disk.clear()
    if wait(fork(run, log)):
        counts["VIOLATION: would not go on"] += 1
        print(log.read_text()[-2000:])
    for path in run_dir.rglob("*.tmp"):
        counts["VIOLATION: temporary files left"] += 1
        print(path)
        path.unlink()


def _whole_checkpoints(run_dir: pathlib.Path) -> list[str]:
    return [
        path.parent.name
        for path in (run_dir / "checkpoints").glob("ckpt-*/state.json")
        if training_kills.is_whole(path.parent)
    ]


def _check_best(run_dir: pathlib.Path, counts: collections.Counter[str]) -> None:
    best = run_dir / "best"
    if (best / "state.json").exists():
        counts["best weights left"] += training_kills.is_whole(best)
        counts["VIOLATION: best weights not whole"] += not training_kills.is_whole(best)


def _check_message(log: pathlib.Path, counts: collections.Counter[str]) -> bool:
    text = log.read_text()
    is_clear = _MESSAGE in text and "error: " in text and "Traceback" not in text
    if not is_clear:
        counts["VIOLATION: no clear message"] += 1
        print(text[-2500:])
        time.sleep(0.1)
    return is_clear


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

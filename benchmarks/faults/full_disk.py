"""A full disk during a conversion, training, report or study: nothing is lost, going on works.

    python -m benchmarks.faults.full_disk [--conversions=12] [--trainings=8] [--reports=4]
        [--studies=8]

Every third conversion has two worker processes; every third replaces a finished dataset. Studies
are cross-validations and searches, from nothing and at their ends.
Everything is written to a small tmpfs (mounting one needs root) on which a file leaves some
random number of bytes. After the failure the file is removed and the same command is given again.
Counted as violations: an end without a message that names the full disk, or with a traceback; a
dataset, checkpoint, best weights or report that was whole before and is not; and a result that is
not, byte for byte, that of a run with space enough. Exits with 1 after a violation.
"""

from pipeline.console import quiet

quiet.start(gpu=True)

import contextlib
import itertools
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator

import numpy as np

from benchmarks.faults.conversion_kills import Conversion, write_recordings
from benchmarks.faults.training_kills import Training, is_whole, write_toy
from benchmarks.harness import processes
from benchmarks.harness.commands import LIMIT_SECS, Place, studies
from benchmarks.harness.flags import parse_flags
from benchmarks.harness.tables import Counts
from pipeline.verification.verify import verify_dataset

_DISK_MB = 64
_MESSAGES = ("No space left on device", "free; make space", "disk is full")


class Disk:
    """A small file system, and a file in it that leaves as much space as one wants."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self._filler = folder / "filler"

    @property
    def free_bytes(self) -> int:
        """Bytes that are left."""
        return shutil.disk_usage(self.folder).free

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
    args = parse_flags(__doc__, argv, conversions=12, trainings=8, reports=4, studies=8, seed=0)
    counts = Counts()
    with processes.temporary_folder() as root, mounted_disk(root) as disk:
        rng = np.random.default_rng(args.seed)
        if args.conversions:
            _conversions(root, disk, rng, args.conversions, counts)
        if args.trainings or args.reports or args.studies:
            write_toy(root)
        if args.trainings:
            _trainings(root, disk, rng, args.trainings, counts)
        if args.reports:
            _reports(root, disk, rng, args.reports, counts)
        if args.studies:
            _studies(root, disk, rng, args.studies, counts)
    return counts.report()


def _conversions(
    root: pathlib.Path, disk: Disk, rng: np.random.Generator, trials: int, counts: Counts
) -> None:
    write_recordings(root / "inputs")
    quiet = Conversion(root / "inputs", root / "quiet")
    processes.finish(quiet.start(), quiet.log)
    expected = processes.hashes(quiet.dataset)
    needed = sum(path.stat().st_size for path in quiet.dataset.rglob("*"))
    for number in range(trials):
        conversion = Conversion(root / "inputs", disk.folder / "conversion")
        conversion.log = root / f"{number}.log"
        is_overwrite = number % 3 == 2
        if is_overwrite:  # A finished dataset is there: it must stay whole.
            processes.finish(conversion.start(), conversion.log)
            conversion.argv += ["--overwrite", "--num_shards=3"]
        disk.fill(int(rng.uniform(0, 1.05) * needed))
        conversion.is_fork, conversion.has_workers = number % 3 != 1, number % 3 == 1
        has_failed = processes.wait(conversion.start()) != 0
        conversion.is_fork = True
        whole = conversion.whole_shards()
        if is_overwrite:
            whole = {name: inode for name, inode in whole.items() if "-of-00003" in name}
        if has_failed:
            counts["conversions stopped by a full disk"] += 1
            _check_message(conversion.log, counts)
            is_broken = is_overwrite and _is_broken(conversion)
            counts.violation("finished dataset not whole", is_broken)
        disk.clear()
        if has_failed:
            _go_on(conversion.start(), conversion.log, counts)
        shards = conversion.finished_shards()
        kept = sum(shards.get(name) == inode for name, inode in whole.items())
        counts["whole shards that were kept"] += kept
        counts.violation("whole shards written again", len(whole) - kept)
        is_same = is_overwrite or processes.hashes(conversion.dataset) == expected
        counts.violation("other bytes", not is_same)
        counts.violation("not whole at the end", any(verify_dataset(str(conversion.dataset))))
        shutil.rmtree(conversion.folder)


def _is_broken(conversion: Conversion) -> bool:
    """Whether the finished dataset that was there is gone, or not whole."""
    problems = list(verify_dataset(str(conversion.dataset)))
    return any(".conversion was left" not in problem for problem in problems)


def _trainings(
    root: pathlib.Path, disk: Disk, rng: np.random.Generator, trials: int, counts: Counts
) -> None:
    quiet, before = Training(root, disk.folder / "quiet"), disk.free_bytes
    processes.finish(quiet.start(), quiet.log)
    expected, needed = quiet.outcome(), before - disk.free_bytes
    for number in range(trials):
        training = Training(root, disk.folder / f"run{number}")
        disk.fill(int(rng.uniform(0.1, 1.0) * needed))
        has_failed = processes.wait(training.start()) != 0
        disk_is_full = has_failed and _check_message(training.log, counts)
        counts["trainings stopped by a full disk"] += disk_is_full
        counts["whole checkpoints left"] += len(training.checkpoints())
        best = training.run_dir / "best"
        if (best / "state.json").exists():
            counts["best weights left"] += is_whole(best)
            counts.violation("best weights not whole", not is_whole(best))
        disk.clear()
        if not has_failed or _go_on(training.start(), training.log, counts):
            counts.violation("other weights or losses", training.outcome() != expected)
        shutil.rmtree(training.run_dir)


def _reports(
    root: pathlib.Path, disk: Disk, rng: np.random.Generator, trials: int, counts: Counts
) -> None:
    training = Training(root, disk.folder / "reported")
    processes.finish(training.start("--report"), training.log)
    report = training.run_dir / "report.html"
    for _ in range(trials):
        before = processes.hashes(training.run_dir)
        training.log.unlink()
        # From nothing at all to almost the new report beside the old one.
        disk.fill(int(rng.uniform(0, 0.9) * report.stat().st_size))
        if processes.wait(training.start("--mode=evaluate", "--report")):
            counts["reports stopped by a full disk"] += _check_message(training.log, counts)
            after = processes.hashes(training.run_dir)
            counts.violation("files lost", len(before.keys() - after.keys()))
            changed = [name for name, digest in before.items() if after.get(name, digest) != digest]
            sizes = [(training.run_dir / name).stat().st_size for name in changed]
            counts.violation("files emptied", sizes.count(0))
            counts.violation("report changed", report.name in changed)
        disk.clear()
        _go_on(training.start("--mode=evaluate", "--report"), training.log, counts)
        left = list(training.run_dir.rglob("*.tmp"))
        counts.violation("temporary files left", len(left), training.log)
        for path in left:
            path.unlink()


def _studies(
    root: pathlib.Path, disk: Disk, rng: np.random.Generator, trials: int, counts: Counts
) -> None:
    place = Place(root, disk.folder / "study")
    commands = [*itertools.islice(studies(place), trials)]
    for at, command in enumerate(commands):
        expected = place.expected(command)
        needed = sum(path.stat().st_size for path in place.run_dir.rglob("*"))
        for _ in range(at, trials, len(commands)):
            place.reset(command)
            there = sum(path.stat().st_size for path in place.run_dir.rglob("*"))
            disk.fill(int(rng.uniform(0, 1) * (needed - there)))
            if processes.wait(place.start(command), LIMIT_SECS):
                is_clear = _check_message(place.log, counts)
                counts[f"stopped by a full disk: {command.name}"] += is_clear
            disk.clear()
            if _go_on(place.start(command), place.log, counts):
                for text in expected.differences(place.files()):
                    print(f"{command.name}: {text}", flush=True)
                    counts.violation(text.partition(":")[0], 1)


def _go_on(pid: int, log: pathlib.Path, counts: Counts) -> bool:
    """Whether what is started again, with space enough, ends well."""
    code = processes.wait(pid)
    counts.violation("would not go on", code != 0, log)
    return code == 0


def _check_message(log: pathlib.Path, counts: Counts) -> bool:
    text = log.read_text()
    is_full = any(message in text for message in _MESSAGES)
    is_clear = is_full and "error: " in text and "Traceback" not in text
    counts.violation("no clear message", not is_clear, log)
    return is_clear


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Conversions killed at random instants and run again: the bytes must be those of a quiet one.

    python -m benchmarks.faults.conversion_kills [--trials=100] [--seed=0] [--processes=10]

Each conversion is killed (SIGKILL) one to three times, half of them at an instant of its usual
duration, the others after a shard is whole or while the dataset is committed; then it runs to its
end. Counted as violations: a file that differs from the undisturbed conversion's, a whole shard
that was written again, more unfinished shards than one worker has at a time (one that it writes,
one that it finishes), and a reader beside it that opened anything but the whole dataset.

So that a hundred take minutes, conversions are forked from this process, which has imported Beam
and TensorFlow (8 s) and started neither; `--processes` of them are real commands instead, every
other one with two worker processes. Exits with 1 after a violation.
"""

from pipeline.console import quiet

quiet.start(gpu=False)

import contextlib
import hashlib
import os
import pathlib
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.harness import processes
from benchmarks.harness.flags import parse_flags
from benchmarks.harness.tables import Counts
from pipeline.conversion.convert import main as convert
from pipeline.verification.verify import verify_dataset
from tfrecords_schema.dataset import open_dataset
from tfrecords_schema.errors import DatasetError

_RECORDINGS = 48
_SHARDS_PER_SPLIT = 4
_SHARDS = 3 * _SHARDS_PER_SPLIT
_IN_FLIGHT = 2  # One that is written, one whose hash and rename are under way.
_WORKERS = ("--direct_num_workers=2", "--direct_running_mode=multi_processing")


class Conversion:
    """One conversion, its folder and what is in it."""

    def __init__(self, inputs: pathlib.Path, folder: pathlib.Path):
        self.folder = folder
        self.dataset = folder / "out" / "kills" / "1.0.0"
        self.work = self.dataset / ".conversion"
        self.log = folder / "log"
        self.argv = ["--source=signals", f"--input_dir={inputs}", f"--output_dir={folder / 'out'}"]
        self.argv += ["--name=kills", f"--num_shards={_SHARDS_PER_SPLIT}"]
        self.has_workers = False
        self.is_fork = True
        folder.mkdir(exist_ok=True)

    def start(self) -> int:
        """Starts it, in a fork of this process or as a command."""
        if self.is_fork:
            return processes.fork(lambda: convert(self.argv), self.log)
        workers = _WORKERS if self.has_workers else ()
        return processes.start_module("pipeline", *self.argv, *workers, log=self.log)

    def parts(self) -> list[pathlib.Path]:
        """Files that say of a shard that it is whole."""
        return list(self.work.glob("*-?????.parquet"))

    def whole_shards(self) -> dict[str, int]:
        """Inode of each shard that has its part file: it must never be written again."""
        found = {}
        for part in self.parts():
            name = "kills-{}.tfrecord-{}-of-*".format(*part.stem.rsplit("-", 1))
            for shard in (*self.work.glob(name), *self.dataset.glob(name)):
                if not shard.name.endswith(".tmp"):
                    found[shard.name] = shard.stat().st_ino
        return found

    def finished_shards(self) -> dict[str, int]:
        """Inode of each shard of the dataset."""
        return {path.name: path.stat().st_ino for path in self.dataset.glob("*.tfrecord-*")}

    def unfinished_shards(self) -> int:
        """Number of shards that were begun and have no part file."""
        begun = {path.name.split("-of-")[0] for path in self.work.glob("kills-*.tfrecord-*")}
        return len(begun - {name.split("-of-")[0] for name in self.whole_shards()})

    def phase(self) -> str:
        """How far it came."""
        if (self.dataset / "manifest.json").exists():
            return "behind the manifest"
        if not (self.work / "plan.json").exists():
            return "before the shards"
        return "while committing" if len(self.whole_shards()) == _SHARDS else "while writing shards"


def main(argv: list[str]) -> int:
    """Runs all trials and prints the table."""
    args = parse_flags(__doc__, argv, trials=100, seed=0, kills=3, processes=0)
    counts = Counts()
    with processes.temporary_folder() as root:
        write_recordings(root / "inputs")
        quiet = Conversion(root / "inputs", root / "quiet")
        secs = processes.finish(quiet.start(), quiet.log)
        if len(quiet.finished_shards()) != _SHARDS:
            raise SystemExit(f"the undisturbed conversion has not {_SHARDS} shards")
        expected = processes.hashes(quiet.dataset)
        for number in range(args.trials + args.processes):
            conversion = Conversion(root / "inputs", root / f"{number}")
            rng = np.random.default_rng([args.seed, number])
            conversion.is_fork = number < args.trials
            conversion.has_workers = not conversion.is_fork and number % 2 == 1
            kills = int(rng.integers(args.kills)) + 1 if conversion.is_fork else 1
            part = 1.0
            while not _trial(conversion, rng, part * secs, kills, expected, counts):
                # It was faster than its kill: another one, killed sooner.
                shutil.rmtree(conversion.folder / "out")
                part *= 0.7
            shutil.rmtree(conversion.folder)
    status = counts.report()
    print(f"one undisturbed conversion takes {secs:.1f} s in {_SHARDS} shards")
    return status


def _trial(
    conversion: Conversion,
    rng: np.random.Generator,
    secs: float,
    wanted: int,
    expected: dict[str, str],
    counts: Counts,
) -> bool:
    """Kills a conversion beside a reader, then lets it end; False if it ended before a kill."""
    kills, begun = 0, conversion.whole_shards()
    with _reader(conversion, expected, counts):
        while kills < wanted:
            if not processes.kill_at(conversion.start(), *_instant(conversion, rng, secs)):
                break
            kills += 1
            _count_kill(conversion, begun, counts)
            begun = {} if conversion.has_workers else conversion.whole_shards()
        # Killed behind its last line, after its work folder was gone, it has nothing to go on with.
        is_over = conversion.phase() == "behind the manifest" and not conversion.work.exists()
        if kills == wanted and not is_over:
            code = processes.wait(conversion.start())
            counts.violation("would not go on", code != 0, conversion.log)
    counts["kills"] += kills
    if kills:
        _compare(conversion, begun, expected, counts)
    return kills > 0


@contextlib.contextmanager
def _reader(conversion: Conversion, expected: dict[str, str], counts: Counts) -> Iterator[None]:
    """A process that opens the dataset again and again; it must see nothing but the whole one."""
    seen = conversion.folder / "reader"
    seen.unlink(missing_ok=True)
    pid = processes.fork(lambda: _read(conversion.dataset, expected["manifest.json"]), seen)
    yield
    os.kill(pid, signal.SIGTERM)
    counts.violation("reader opened another dataset", processes.wait(pid) != 0, seen)
    counts["times a reader was refused"] += seen.read_text().count("refused")
    counts["times a reader opened the dataset"] += seen.read_text().count("opened")


def _read(dataset: pathlib.Path, manifest: str) -> int:
    """Opens the dataset until SIGTERM: it must be whole, with this manifest, or refused."""
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
    while not asked:
        try:
            opened = open_dataset(str(dataset))
        except DatasetError:
            print("refused", flush=True)
            time.sleep(0.002)
            continue
        print("opened", flush=True)
        problems = [text for text in verify_dataset(opened.path) if ".conversion" not in text]
        # Not `hashes`: the work folder's files are being removed.
        found = hashlib.sha256((dataset / "manifest.json").read_bytes()).hexdigest()
        if problems or found != manifest:
            print(problems)
            return 1
        time.sleep(0.05)
    return 0


def _instant(
    conversion: Conversion, rng: np.random.Generator, secs: float
) -> tuple[Callable[[], bool], float]:
    kind = rng.integers(4) if conversion.is_fork else 3  # How long a command starts varies most.
    if kind <= 1:
        return lambda: True, float(rng.uniform(0, 1.05 * secs))
    wanted = _SHARDS if kind == 2 else int(rng.integers(1, _SHARDS))
    after = float(rng.uniform(0, 0.15 if kind == 2 else 0.02))
    return lambda: len(conversion.parts()) >= wanted, after


def _count_kill(conversion: Conversion, begun: dict[str, int], counts: Counts) -> None:
    counts[f"{'' if conversion.is_fork else 'command '}killed {conversion.phase()}"] += 1
    if conversion.has_workers:  # They are killed with the command, but not at the same instant.
        counts["commands killed that had workers"] += 1
        return
    changed = _changed(begun, conversion.whole_shards())
    counts.violation("whole shards written again", changed)
    unfinished = conversion.unfinished_shards()
    counts["unfinished shards at the kills, together"] += unfinished
    counts.violation("too many unfinished shards", unfinished > _IN_FLIGHT)


def _changed(before: dict[str, int], after: dict[str, int]) -> int:
    return sum(name in after and after[name] != inode for name, inode in before.items())


def _compare(
    conversion: Conversion, begun: dict[str, int], expected: dict[str, str], counts: Counts
) -> None:
    counts["conversions, each killed at least once"] += 1
    counts["whole shards at the last kill, together"] += len(begun)
    changed = _changed(begun, conversion.finished_shards())
    counts.violation("whole shards written again", changed)
    found = processes.hashes(conversion.dataset)
    counts.violation("other bytes", found != expected)
    if found != expected:
        print({key for key in {*found, *expected} if found.get(key) != expected.get(key)})


def write_recordings(folder: pathlib.Path) -> None:
    """Writes the recordings to convert."""
    folder.mkdir()
    for number in range(_RECORDINGS):
        rng = np.random.default_rng(number)
        steps = int(rng.integers(100, 4000))
        signal_ = rng.standard_normal((steps, 8), np.float32)
        np.savez(folder / f"r{number:03d}.npz", signal=signal_, label=np.arange(steps) % 3)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

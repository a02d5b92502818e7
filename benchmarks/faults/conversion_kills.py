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

import argparse
import collections
import functools
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable

import numpy as np

from benchmarks.harness.processes import fork, hashes, kill_at, print_table, wait
from pipeline.conversion.convert import main as convert
from tfrecords_schema.dataset import open_dataset
from tfrecords_schema.errors import DatasetError
from tfrecords_schema.verify import verify_dataset

_RECORDINGS = 48
_SHARDS_PER_SPLIT = 4
_SHARDS = 3 * _SHARDS_PER_SPLIT
_IN_FLIGHT = 2  # One that is written, one whose hash and rename are under way.
WORKERS = ["--direct_num_workers=2", "--direct_running_mode=multi_processing"]


class Conversion:
    """One conversion, its folder and what is in it."""

    def __init__(self, inputs: pathlib.Path, folder: pathlib.Path):
        self.folder = folder
        self.dataset = folder / "out" / "kills" / "1.0.0"
        self.work = self.dataset / ".conversion"
        self.log = folder / "log"
        self.argv = ["--source=signals", f"--input_dir={inputs}", f"--output_dir={folder / 'out'}"]
        self.argv += ["--name=kills", f"--num_shards={_SHARDS_PER_SPLIT}"]
        folder.mkdir(exist_ok=True)

    def start(self) -> int:
        """Starts it in a fork of this process."""
        return fork(lambda: convert(self.argv), self.log)

    def start_process(self, *flags: str) -> subprocess.Popen[bytes]:
        """Starts it as a command."""
        command = [sys.executable, "-m", "pipeline", *self.argv, *flags]
        with self.log.open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log)

    def whole_shards(self) -> dict[str, int]:
        """Inode of each shard that has its part file: it must never be written again."""
        found = {}
        for part in self.work.glob("*-?????.parquet"):
            name = "kills-{}.tfrecord-{}-of-*".format(*part.stem.rsplit("-", 1))
            for shard in (*self.work.glob(name), *self.dataset.glob(name)):
                if not shard.name.endswith(".tmp"):
                    found[shard.name] = shard.stat().st_ino
        return found

    def unfinished_shards(self) -> int:
        """Number of shards that were begun and have no part file."""
        begun = {path.name for path in self.work.glob("kills-*.tfrecord-*")}
        return len(_numbers(begun) - _numbers(self.whole_shards()))

    def phase(self) -> str:
        """How far it came."""
        if (self.dataset / "manifest.json").exists():
            return "behind the manifest"
        parts = len(self.whole_shards())
        if not (self.work / "plan.json").exists():
            return "before the shards"
        return "while committing" if parts == _SHARDS else "while writing shards"


def main(argv: list[str]) -> int:
    """Runs all trials and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the first trial; others follow")
    parser.add_argument("--kills", type=int, default=3, help="of one conversion, at most")
    parser.add_argument("--processes", type=int, default=0, help="trials more, as real commands")
    args = parser.parse_args(argv)
    counts: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        write_recordings(root / "inputs")
        quiet = Conversion(root / "inputs", root / "quiet")
        started = time.monotonic()
        if wait(quiet.start()):
            raise SystemExit(quiet.log.read_text())
        secs = time.monotonic() - started
        if len(list(quiet.dataset.glob("*.tfrecord-*"))) != _SHARDS:
            raise SystemExit(f"the undisturbed conversion has not {_SHARDS} shards")
        expected = hashes(quiet.dataset)
        for number in range(args.trials + args.processes):
            conversion = Conversion(root / "inputs", root / f"{number}")
            rng = np.random.default_rng([args.seed, number])
            if number < args.trials:
                _trial(conversion, rng, secs, int(rng.integers(args.kills)) + 1, expected, counts)
            else:
                _process_trial(conversion, rng, number % 2 == 1, expected, counts)
            shutil.rmtree(conversion.folder)
    return _report(counts, secs)


def _trial(
    conversion: Conversion,
    rng: np.random.Generator,
    secs: float,
    wanted: int,
    expected: dict[str, str],
    counts: collections.Counter[str],
) -> None:
    seen = conversion.folder / "reader"
    kills = 0
    reader = fork(functools.partial(_read, conversion.dataset, expected), seen)
    has_ended = False
    while kills < wanted and not has_ended:
        begun = conversion.whole_shards()
        if kill_at(conversion.start(), *_instant(conversion, rng, secs)) is not None:
            kills += 1
            _count_kill(conversion, begun, counts)
        elif kills:
            has_ended = True
        else:  # It was faster than its kill: another one, killed sooner.
            _end(reader, seen, counts)
            shutil.rmtree(conversion.folder / "out")
            reader = fork(functools.partial(_read, conversion.dataset, expected), seen)
            secs *= 0.7
    before = conversion.whole_shards()
    # Killed behind its last line, after its work folder was gone, it has nothing to go on with.
    has_ended |= (conversion.dataset / "manifest.json").exists() and not conversion.work.exists()
    if not has_ended and wait(conversion.start()):
        counts["VIOLATION: would not go on"] += 1
        print(conversion.log.read_text()[-2000:])
    _end(reader, seen, counts)
    counts["times a reader was refused"] += seen.read_text().count("refused")
    counts["times a reader opened the dataset"] += seen.read_text().count("opened")
    counts["kills"] += kills
    _compare(conversion, before, expected, counts)


def _end(reader: int, seen: pathlib.Path, counts: collections.Counter[str]) -> None:
    os.kill(reader, signal.SIGTERM)
    status = wait(reader)
    counts["VIOLATION: reader opened another dataset"] += status != 0
    if status:
        print(f"the reader ended with {status}: {seen.read_text()[-2000:]}", flush=True)


def _instant(conversion: Conversion, rng: np.random.Generator, secs: float) -> tuple:
    kind = rng.integers(4)
    if kind <= 1:
        return lambda: True, float(rng.uniform(0, 1.05 * secs))
    wanted = _SHARDS if kind == 2 else int(rng.integers(1, _SHARDS))
    after = float(rng.uniform(0, 0.15 if kind == 2 else 0.02))
    return lambda: len(list(conversion.work.glob("*-?????.parquet"))) >= wanted, after


def _count_kill(
    conversion: Conversion, begun: dict[str, int], counts: collections.Counter[str]
) -> None:
    counts[f"killed {conversion.phase()}"] += 1
    left = conversion.whole_shards()
    counts["VIOLATION: whole shards written again"] += _changed(begun, left)
    unfinished = conversion.unfinished_shards()
    counts["unfinished shards at the kills, together"] += unfinished
    counts["VIOLATION: too many unfinished shards"] += unfinished > _IN_FLIGHT


def _numbers(names: Iterable[str]) -> set[str]:
    return {name.split("-of-")[0] for name in names}


def _changed(before: dict[str, int], after: dict[str, int]) -> int:
    return sum(name in after and after[name] != inode for name, inode in before.items())


def _compare(
    conversion: Conversion,
    before: dict[str, int],
    expected: dict[str, str],
    counts: collections.Counter[str],
) -> None:
    counts["conversions, each killed at least once"] += 1
    shards = {path.name: path.stat().st_ino for path in conversion.dataset.glob("*.tfrecord-*")}
    counts["whole shards at the last kill, together"] += len(before)
    counts["VIOLATION: whole shards written again"] += _changed(before, shards)
    found = hashes(conversion.dataset)
    if found != expected:
        counts["VIOLATION: other bytes"] += 1
        print({key for key in {*found, *expected} if found.get(key) != expected.get(key)})


def _read(dataset: pathlib.Path, expected: dict[str, str]) -> int:
    """Opens the dataset again and again: it must be whole, or refused. Ends on SIGTERM."""
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
        manifest = hashlib.sha256((dataset / "manifest.json").read_bytes()).hexdigest()
        if problems or manifest != expected["manifest.json"]:
            print(problems)
            return 1
        time.sleep(0.05)
    return 0


def _process_trial(
    conversion: Conversion,
    rng: np.random.Generator,
    workers: bool,
    expected: dict[str, str],
    counts: collections.Counter[str],
) -> None:
    process = conversion.start_process(*(WORKERS if workers else []))
    wanted = int(rng.integers(0, _SHARDS + 1))
    while len(list(conversion.work.glob("*-?????.parquet"))) < wanted and process.poll() is None:
        time.sleep(0.002)
    time.sleep(float(rng.uniform(0, 0.1)))
    process.send_signal(signal.SIGKILL)
    if process.wait() == -signal.SIGKILL:
        counts[f"command{' with workers' if workers else ''} killed {conversion.phase()}"] += 1
    before = conversion.whole_shards()
    again = conversion.start_process(*(WORKERS if workers else []))
    if again.wait():
        counts["VIOLATION: would not go on"] += 1
        print(conversion.log.read_text()[-2000:])
    _compare(conversion, {} if workers else before, expected, counts)


def write_recordings(folder: pathlib.Path) -> None:
    """Writes the recordings to convert."""
    folder.mkdir()
    for number in range(_RECORDINGS):
        rng = np.random.default_rng(number)
        steps = int(rng.integers(100, 4000))
        signal_ = rng.standard_normal((steps, 8), np.float32)
        np.savez(folder / f"r{number:03d}.npz", signal=signal_, label=np.arange(steps) % 3)


def _report(counts: collections.Counter[str], secs: float) -> int:
    violations = {name: count for name, count in counts.items() if name.startswith("VIOLATION")}
    rows = [(name, count) for name, count in sorted(counts.items()) if name not in violations]
    print_table(("what", "count"), [*rows, *sorted(violations.items())])
    print(f"one undisturbed conversion takes {secs:.1f} s in {_SHARDS} shards")
    return int(any(violations.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

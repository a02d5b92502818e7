"""Runs that collide, and kills while an export or a dataset is replaced: nothing is damaged.

    python -m benchmarks.faults.collisions [--pairs=50] [--kills=30] [--seed=0]

Pairs of commands start at once or a moment apart: two conversions into one folder, two trainings in
one run folder, a training and a conversion that overwrites its dataset, two exports, two
evaluations. Kills (SIGKILL) come at random instants of exports over an earlier export, and of
conversions over an older dataset once all shards are written. Counted as violations: a traceback,
two conversions or trainings that both did their work at once, a dataset that verify finds damaged,
a run that cannot go on, figures without their predictions, an export that does not load, and a
dataset that is neither the old nor the new.

Commands are forked from this process, which has imported Beam and TensorFlow and started neither.
Exits with 1 after a violation.
"""

from pipeline.console import quiet

quiet.start(gpu=False)

import hashlib
import os
import pathlib
import shutil
import signal
import sys
import time
import zipfile
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from benchmarks.faults.power_cuts import write_recordings
from benchmarks.harness import processes
from benchmarks.harness.flags import parse_flags
from benchmarks.harness.tables import Counts
from benchmarks.harness.tiny_model import TINY_MODEL, trace_nothing
from pipeline.conversion.convert import main as convert
from pipeline.verification.verify import verify_dataset
from trainer.__main__ import main as train
from trainer.report.report_data import RunFiles

_MODEL = (*TINY_MODEL, "--epochs=2", "--notensorboard", "--noreport")
_LIMIT_SECS = 300.0
_Work = Callable[[], int]


class _Place:
    """A folder with recordings, a dataset and a run, and the commands that work there."""

    def __init__(self, root: pathlib.Path):
        self.root, self.dataset, self.run_dir = root, root / "out/c/1.0.0", root / "run"
        self.export = self.run_dir / "export"

    def conversion(self, inputs: str, *flags: str) -> _Work:
        own = [f"--input_dir={self.root / inputs}", f"--output_dir={self.root / 'out'}", "--name=c"]
        label = ["--source=signals", "--label_regex=^([01])/", "--splits=test=3,train=rest"]
        return lambda: convert([*own, *label, "--num_shards=2", *flags])

    def trainer(self, *flags: str) -> _Work:
        def work() -> int:
            trace_nothing()
            return train([f"--run_dir={self.run_dir}", *flags])

        return work

    @property
    def training(self) -> _Work:
        return self.trainer(f"--dataset={self.dataset}", *_MODEL)

    def start(self, work: _Work, name: str) -> int:
        return processes.fork(work, self.root / name)

    def finish(self, work: _Work, name: str) -> int:
        return processes.wait(self.start(work, name), _LIMIT_SECS)


def main(argv: list[str]) -> int:
    """Runs all pairs and kills; prints the table."""
    args = parse_flags(__doc__, argv, pairs=50, kills=30, seed=0)
    counts = Counts()
    with processes.temporary_folder() as folder:
        write_recordings(folder / "first", 6)
        write_recordings(folder / "second", 8)
        made = _Place(folder)
        for name, work in (("convert", made.conversion("first")), ("train", made.training)):
            if made.finish(work, name):
                raise SystemExit((folder / name).read_text())
        if made.finish(made.trainer("--mode=export"), "export"):
            raise SystemExit((folder / "export").read_text())
        kinds = (_conversions, _trainings, _overwritten, _exports, _evaluations)
        for number in range(args.pairs + args.kills):
            place = _Place(folder / str(number))
            for name in ("first", "second", "out", "run"):
                shutil.copytree(folder / name, place.root / name)
            rng = np.random.default_rng([args.seed, number])
            if number < args.pairs:
                kinds[number % len(kinds)](place, rng, counts)
            else:
                (_killed_export, _killed_commit)[number % 2](place, rng, counts)
            shutil.rmtree(place.root)
    return counts.report()


def _pair(
    place: _Place, works: tuple[_Work, _Work], rng: np.random.Generator, counts: Counts, kind: str
) -> list[int]:
    """Starts two commands at once or a moment apart; returns how they ended."""
    counts[f"pairs: {kind}"] += 1
    pids = []
    for at, work in enumerate(works):
        pids.append(place.start(work, f"log{at}"))
        time.sleep(float(rng.choice([0.0, 0.3, 2.0])) if at == 0 else 0.0)
    statuses = [processes.wait(pid, _LIMIT_SECS) for pid in pids]
    for at in range(2):
        log = place.root / f"log{at}"
        counts.violation("traceback", int("Traceback" in log.read_text()), log)
        counts[f"ended with {statuses[at]}"] += 1
    return statuses


def _damage(place: _Place, counts: Counts) -> None:
    """Whether dataset and run are whole."""
    problems = [*verify_dataset(str(place.dataset))]
    counts.violation("damaged dataset", int(bool(problems)))
    for name, evaluation in RunFiles.read(str(place.run_dir)).evaluations.items():
        content = (place.run_dir / f"predictions-{name}.npz").read_bytes()
        is_own = hashlib.sha256(content).hexdigest() == evaluation["predictions"]
        counts.violation("figures without their predictions", int(not is_own))


def _conversions(place: _Place, rng: np.random.Generator, counts: Counts) -> None:
    work = place.conversion("second", "--overwrite")
    statuses = _pair(place, (work, work), rng, counts, "two conversions into one folder")
    if 0 not in statuses:  # They met within a moment, and both stood back.
        counts["both stood back"] += 1
        counts.violation("would not go on", int(place.finish(work, "again") != 0))
    _damage(place, counts)


def _trainings(place: _Place, rng: np.random.Generator, counts: Counts) -> None:
    shutil.rmtree(place.run_dir)
    works = (place.training, place.training)
    statuses = _pair(place, works, rng, counts, "two trainings in one run folder")
    said = [(place.root / f"log{at}").read_text() for at in range(2)]
    is_refused = any("is training in" in text for text in said)
    resumed = any("resuming" in text for text in said)
    counts.violation("both trained", int(statuses == [0, 0] and not resumed), place.root / "log1")
    counts["a second training was refused"] += is_refused
    log = "again"
    counts.violation("would not go on", int(place.finish(place.training, log) != 0))
    lines = (place.run_dir / "metrics.jsonl").read_text().splitlines()
    counts.violation("other lines than epochs", int(len(lines) != 2))
    _damage(place, counts)


def _overwritten(place: _Place, rng: np.random.Generator, counts: Counts) -> None:
    shutil.rmtree(place.run_dir)
    works = (place.training, place.conversion("second", "--overwrite"))
    training, conversion = _pair(place, works, rng, counts, "training, its dataset overwritten")
    counts.violation("the conversion failed", int(conversion != 0), place.root / "log1")
    counts["a training ended as its dataset changed"] += training != 0
    said = (place.root / "log0").read_text()
    is_told = any(text in said for text in (".tfrecord", "manifest", "index", "no dataset"))
    counts.violation("nothing told why", int(training != 0 and not is_told), place.root / "log0")
    problems = [*verify_dataset(str(place.dataset))]
    counts.violation("damaged dataset", int(bool(problems)))


def _exports(place: _Place, rng: np.random.Generator, counts: Counts) -> None:
    work = place.trainer("--mode=export")
    statuses = _pair(place, (work, work), rng, counts, "two exports")
    counts.violation("no export", int(0 not in statuses), place.root / "log0")
    _require_export(place, counts)


def _evaluations(place: _Place, rng: np.random.Generator, counts: Counts) -> None:
    work = place.trainer("--mode=evaluate", f"--dataset={place.dataset}", "--noreport")
    statuses = _pair(place, (work, work), rng, counts, "two evaluations")
    counts.violation("no evaluation", int(0 not in statuses), place.root / "log0")
    _damage(place, counts)


def _killed_export(place: _Place, rng: np.random.Generator, counts: Counts) -> None:
    counts["kills of exports"] += 1
    pid = place.start(place.trainer("--mode=export"), "log")
    # From when something is written: before that there is nothing to damage.
    began = processes.reaches(pid, lambda: len([*place.export.iterdir()]) > 2, _LIMIT_SECS)
    if began:
        time.sleep(float(rng.uniform(0, 0.6)))
        os.kill(pid, signal.SIGKILL)
        processes.wait(pid)
        counts["kills of exports while they wrote"] += 1
    _require_export(place, counts)


def _require_export(place: _Place, counts: Counts) -> None:
    path = place.export / "saved_model"
    status = place.finish(lambda: int(not tf.saved_model.load(str(path)).signatures), "load")
    counts.violation("export does not load", int(status != 0), place.root / "load")
    with zipfile.ZipFile(place.export / "model.keras") as archive:
        counts.violation("damaged Keras file", int(archive.testzip() is not None))


def _killed_commit(place: _Place, rng: np.random.Generator, counts: Counts) -> None:
    counts["kills of commits over an older dataset"] += 1
    before = processes.hashes(place.dataset)
    work, folder = place.conversion("second", "--overwrite"), place.dataset / ".conversion"
    pid = place.start(work, "log")
    if processes.reaches(pid, lambda: len([*folder.glob("*-?????.parquet")]) == 4, _LIMIT_SECS):
        time.sleep(float(rng.uniform(0, 0.15)))
        os.kill(pid, signal.SIGKILL)
        processes.wait(pid)
    if (place.dataset / "manifest.json").exists():
        found = [text for text in verify_dataset(str(place.dataset)) if ".conversion" not in text]
        counts.violation("damaged dataset", int(bool(found)))
        now = processes.hashes(place.dataset)
        is_older = before.items() <= now.items()
        counts[f"killed, the {'older' if is_older else 'new'} one is there"] += 1
    else:
        counts["killed, none is there until it goes on"] += 1
    counts.violation("would not go on", int(place.finish(work, "again") != 0))
    _damage(place, counts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

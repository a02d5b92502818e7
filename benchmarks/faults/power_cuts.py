"""Power cuts at every instant of a conversion and a training: what is called whole is whole.

    python -m benchmarks.faults.power_cuts [--resumed=5] [--each] [--cost] [--repeats=3]

Records every flush, rename and removal of a conversion over an older dataset, and of a training
with evaluation and export, and rebuilds what two kinds of disks would hold at each instant, with
all that was not flushed lost (`benchmarks/harness/lossy_disk.py`). Counted as violations: a
manifest beside anything but the dataset that it names, a checkpoint that was saved and cannot be
gone on from, a history shorter than it, an evaluation, predictions or export that is damaged under
its own name. `--resumed` of the instants of the conversion are gone on from: the bytes must be
those of a quiet one.
`--each` leaves out one flush after the other, and shows which of them nothing would miss.
`--cost` measures what part of both is flushing.

Exits with 1 after a violation.
"""

from pipeline.console import quiet

quiet.start(gpu=False)

import contextlib
import hashlib
import io
import json
import os
import pathlib
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.harness import lossy_disk, processes
from benchmarks.harness.flags import parse_flags
from benchmarks.harness.lossy_disk import Cut, Files
from benchmarks.harness.tables import Counts, print_table
from pipeline.conversion.convert import main as convert
from pipeline.verification.verify import verify_dataset
from trainer.__main__ import main as train
from trainer.runs.checkpoints import Checkpoints

_DATASET = "cuts/1.0.0"
_Skipped = Callable[[int, str], bool]


def main(argv: list[str]) -> int:
    """Cuts at every instant; prints the table."""
    args = parse_flags(__doc__, argv, resumed=5, each=False, cost=False, repeats=3)
    counts = Counts()
    with processes.temporary_folder() as root:
        write_recordings(root / "first", 6)
        write_recordings(root / "inputs", 12)
        for name, work in (("conversion", record_conversion), ("training", record_training)):
            cuts, flushes, problems = work(root)
            counts[f"{name}: flushes"] = flushes
            counts[f"{name}: instants on two disks"] = len(cuts)
            counts.violation(f"{name}: damaged, and called whole", len(problems))
            for problem in problems[:5]:
                print(problem)
            if args.each:
                _each(name, work, root, flushes)
        counts.violation("gone on to other bytes", _resume(root, args.resumed))
        counts["instants that a conversion went on from"] = args.resumed
        if args.cost:
            _cost(root, args.repeats)
    return counts.report()


def write_recordings(
    folder: pathlib.Path, count: int, least_steps: int = 20, most_steps: int = 60
) -> None:
    """Some recordings of three channels, with a class each."""
    rng = np.random.default_rng(0)
    for number in range(count):
        steps, label = int(rng.integers(least_steps, most_steps)), number % 2
        signal = rng.normal(label, 1, (steps, 3)).astype(np.float32)
        path = folder / str(label) / f"g{number:03d}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, signal=signal)


def _convert(inputs: pathlib.Path, output: pathlib.Path, *flags: str) -> None:
    output.mkdir(exist_ok=True)
    own = [f"--input_dir={inputs}", f"--output_dir={output}", "--name=cuts", "--num_shards=2"]
    label = ["--source=signals", "--label_regex=^([01])/", "--splits=test=3,train=rest"]
    with _silently():
        if convert([*own, *label, *flags]):
            raise SystemExit("a conversion failed that nobody disturbed")


def _train(dataset: pathlib.Path, run_dir: pathlib.Path) -> None:
    line = [
        f"--dataset={dataset}",
        f"--run_dir={run_dir}",
        "--model=resnet",
        "--depth=1",
        "--width=4",
    ]
    with _silently():
        status = train([*line, "--epochs=3", "--notensorboard", "--noreport"])
        if status or train(["--mode=export", f"--run_dir={run_dir}"]):
            raise SystemExit("a training failed that nobody disturbed")


@contextlib.contextmanager
def _silently() -> Iterator[None]:
    """Shows what was said only where that ends this process."""
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            yield
    except BaseException:
        print(" ".join(output.getvalue().split())[-2000:])
        raise


def record_conversion(
    root: pathlib.Path, skipped: _Skipped = lambda *_: False
) -> tuple[list[Cut], int, list[str]]:
    """The instants of a conversion over an older dataset, its flushes, and what is wrong."""
    output = root / "out"
    shutil.rmtree(output, ignore_errors=True)
    _convert(root / "first", output)
    with lossy_disk.recorded(output, skipped) as recording:
        _convert(root / "inputs", output, "--overwrite")
        recording.told += 1
    cuts = [*_distinct(recording.cuts)]
    problems = (conversion_problem(cut, root / "cut", _DATASET) for cut in cuts)
    return cuts, len(recording.flushes), [*filter(None, problems)]


def record_training(
    root: pathlib.Path, skipped: _Skipped = lambda *_: False
) -> tuple[list[Cut], int, list[str]]:
    """The instants of a training with evaluation and export, its flushes, and what is wrong."""
    runs = root / "runs"
    shutil.rmtree(runs, ignore_errors=True)
    runs.mkdir()
    save = Checkpoints.save
    with lossy_disk.recorded(runs, skipped) as recording:

        def told(*given: Any) -> None:
            save(*given)
            recording.told += 1

        with mock.patch.object(Checkpoints, "save", told):
            _train(root / "out" / _DATASET, runs / "run")
    cuts = [*_distinct(recording.cuts)]
    problems = (training_problem(cut, "run") for cut in cuts)
    return cuts, len(recording.flushes), [*filter(None, problems)]


def _distinct(cuts: Iterable[Cut]) -> Iterator[Cut]:
    seen: set[int] = set()
    for cut in cuts:
        key = hash((frozenset(cut.files.items()), cut.done))
        if key not in seen:
            seen.add(key)
            yield cut


def conversion_problem(cut: Cut, folder: pathlib.Path, dataset: str) -> str:
    """What is wrong with a dataset after a cut; empty where there is none, or a whole one."""
    if f"{dataset}/manifest.json" not in cut.files:
        return f"{cut.disk}, {cut.after}: the dataset is gone" if cut.done else ""
    lossy_disk.write_files(folder, cut.files)
    found = [one for one in verify_dataset(str(folder / dataset)) if ".conversion was" not in one]
    return f"{cut.disk}, {cut.after}: {found[0]}" if found else ""


def training_problem(cut: Cut, run: str) -> str:
    """What is wrong with a run folder after a cut; empty if nothing is.

    The newest checkpoint of those that were saved must be whole, with its history.
    """
    place, files = f"{cut.disk}, {cut.after}", cut.files
    whole = [step for step in _steps(files, run) if _is_whole(files, run, step)]
    if cut.done and len(_steps(files, run)) == 0:
        return f"{place}: {cut.done} checkpoints were saved, and there is none"
    if cut.done and not whole:
        return f"{place}: no checkpoint is whole"
    if whole:
        state = json.loads(files[f"{run}/checkpoints/ckpt-{max(whole)}/state.json"])
        if state["epoch"] < cut.done:
            return f"{place}: epoch {cut.done} was saved, and epoch {state['epoch']} is left"
        lines = files.get(f"{run}/metrics.jsonl", b"").splitlines()[: state["epoch"]]
        if len(lines) < state["epoch"] or not all(map(json.loads, lines)):
            return f"{place}: {len(lines)} lines of history for epoch {state['epoch']}"
    for name, content in files.items():
        if name.startswith(f"{run}/") and not _is_readable(name, content, files):
            return f"{place}: {name} is damaged"
    return ""


def _steps(files: Files, run: str) -> list[int]:
    prefix = f"{run}/checkpoints/ckpt-"
    found = (name for name in files if name.startswith(prefix) and name.endswith("/state.json"))
    return sorted(int(name.removeprefix(prefix).partition("/")[0]) for name in found)


def _is_whole(files: Files, run: str, step: int) -> bool:
    folder = f"{run}/checkpoints"
    try:
        state = json.loads(files[f"{folder}/ckpt-{step}/state.json"])
    except ValueError:
        return False
    named = {f"{folder}/options-{state['identity'][:12]}.json": state["identity"]}
    for stem, digest in state["sha256"].items():
        named[f"{folder}/ckpt-{step}/{stem}-{digest[:12]}.npz"] = digest
    return all(hashlib.sha256(files.get(name, b"")).hexdigest() == named[name] for name in named)


def _is_readable(name: str, content: bytes, files: Files) -> bool:
    """Whether a file that has its own name, beside checkpoints, is what its name says."""
    # A lock that is torn is nobody's.
    if any(part in name for part in (".tmp", "/checkpoints/", "/lock-")):
        return True
    if name.endswith((".json", ".flags", ".keras", ".pb", ".npz")) and not content:
        return False
    if "/evaluation-" in name and name.endswith(".json"):
        found = json.loads(content)
        stem = name.replace("/evaluation-", "/predictions-").removesuffix(".json")
        return hashlib.sha256(files.get(f"{stem}.npz", b"")).hexdigest() == found["predictions"]
    if name.endswith("/saved_model.pb"):
        folder = name.removesuffix("saved_model.pb")
        return any(len(files[one]) for one in files if one.startswith(f"{folder}variables/"))
    return True


def _each(name: str, work: Callable[..., tuple], root: pathlib.Path, flushes: int) -> None:
    rows = []
    for number in range(flushes):
        paths: list[str] = []

        def skipped(at: int, path: str, number: int = number, paths: list[str] = paths) -> bool:
            if at == number:
                paths.append(path)
            return at == number

        *_, problems = work(root, skipped)
        rows.append((paths[0] if paths else "?", len(problems)))
    print_table((f"{name} without the flush of", "damaged instants"), rows)


def _resume(root: pathlib.Path, count: int) -> int:
    """How many of some instants of a conversion end in other bytes when it goes on."""
    cuts, *_ = record_conversion(root)
    expected = processes.hashes(root / "out" / _DATASET)
    other = 0
    for number in np.linspace(0, len(cuts) - 1, count).astype(int):
        lossy_disk.write_files(root / "out", cuts[number].files)
        _convert(root / "inputs", root / "out", "--overwrite")
        other += processes.hashes(root / "out" / _DATASET) != expected
    return other


def _cost(root: pathlib.Path, repeats: int) -> None:
    """What part of the time flushes take: the machine may do other things meanwhile."""
    rows = []
    for name in ("conversion", "training"):
        shares = []
        for _ in range(repeats):
            shutil.rmtree(root / "cost", ignore_errors=True)
            flushing, flush = [0.0], os.fsync

            def timed(descriptor: int, spent: list[float] = flushing, call: Any = flush) -> None:
                started = time.monotonic()
                call(descriptor)
                spent[0] += time.monotonic() - started

            started = time.monotonic()
            with mock.patch.object(os, "fsync", timed):
                if name == "conversion":
                    _convert(root / "inputs", root / "cost")
                else:
                    _train(root / "out" / _DATASET, root / "cost")
            secs = time.monotonic() - started
            shares.append((secs / (secs - flushing[0]), flushing[0], secs))
        ratio, spent, secs = sorted(shares)[len(shares) // 2]
        rows.append((name, f"{secs:.2f}", f"{spent:.3f}", f"{ratio:.3f}"))
    print_table(("median of each, seconds", "all", "flushing", "ratio"), rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

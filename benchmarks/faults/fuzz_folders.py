"""Mutated files of datasets and runs: every command says what is wrong, or works.

    python -m benchmarks.faults.fuzz_folders [--files=2000] [--seed=0] [--only=state,index]
        [--keep=FOLDER]

One file of a dataset or of a run folder is changed, in its structure or in any byte, and where it
carries a checksum this is made to fit again, as anyone can. Then commands read it: of a dataset
verify, inspect and a training's --dry_run; of a run predict, evaluate, the page, and a training
that would go on. Counted as violations: anything but an exit status of 0, 1, 2 or 65 (NaN in a
training), a command that takes more than 30 s, and a process that takes more than 1 GB above a
quiet one. Seconds are those of the processor, whatever else the machine does.

Commands run in forks of this process, some dozens of files in each, with the least of models, of
which nothing is traced. Exits with 1 after a violation.
"""

from pipeline.console import quiet

quiet.start(gpu=False)

import collections
import contextlib
import functools
import gc
import hashlib
import io
import json
import pathlib
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Sequence

import keras
import numpy as np

from benchmarks.faults import json_mutations
from benchmarks.faults.mutations import mutate_bytes
from benchmarks.faults.power_cuts import write_recordings
from benchmarks.harness.flags import parse_flags
from benchmarks.harness.processes import fork, peak_mb, temporary_folder
from benchmarks.harness.tables import Counts, report_by
from benchmarks.harness.tiny_model import TINY_MODEL, trace_nothing
from pipeline.conversion.convert import main as convert
from pipeline.inspect.__main__ import main as inspect
from pipeline.verify import main as verify
from tfrecords_schema.manifest import sealed_json
from trainer.__main__ import main as train

_OF_A_FORK = 50
_LIMIT_SECS, _LIMIT_MB = 30.0, 1000.0
_FORK_LIMIT_SECS = 3600.0
_STATUSES = (0, 1, 2, 65)
_MODEL = (*TINY_MODEL, "--epochs=1", "--batch_size=4", "--notensorboard")
_COLUMNS = ("mutated", "all worked", "refused", "slowest, ms", "MB above quiet")
_KINDS = (
    "manifest", "index", "schema", "state", "options", "flags", "evaluation", "history", "archive",
)  # fmt: skip


def main(argv: list[str]) -> int:
    """Changes files and prints the table."""
    args = parse_flags(__doc__, argv, files=2000, seed=0, only="", keep="")
    counts: dict[str, Counts] = collections.defaultdict(Counts)
    kinds = args.only.split(",") if args.only else _KINDS
    with temporary_folder() as root:
        status, quiet_mb = peak_mb(fork(lambda: _make(root), root / "log"))
        if status:
            raise SystemExit((root / "log").read_text())
        for start in range(0, args.files, _OF_A_FORK):
            numbers = range(start, min(start + _OF_A_FORK, args.files))
            kind = kinds[start // _OF_A_FORK % len(kinds)]
            work = root / "work"
            tries = functools.partial(_try_all, root, kind, args.seed, numbers)
            status, most_mb = peak_mb(fork(tries, root / "log"), _FORK_LIMIT_SECS)
            found = _count(root, counts[kind], most_mb - quiet_mb)
            if status:
                counts[kind].violation("ended the process", 1, root / "log")
            _show(numbers.stop, args.files, counts)
            if args.keep and found:
                shutil.copytree(work, pathlib.Path(args.keep, f"{kind}-{start}"))
    return report_by("files", counts, _COLUMNS)


def _show(done: int, files: int, counts: dict[str, Counts]) -> None:
    """What was counted until now, should the rest be cut off."""
    worked, refused = (sum(row[of] for row in counts.values()) for of in _COLUMNS[1:3])
    bad = sum(row.violations for row in counts.values())
    print(f"{done:,} of {files:,}: {worked} worked, {refused} refused, {bad} bad", flush=True)


def _make(root: pathlib.Path) -> int:
    """A dataset and a run to change copies of."""
    trace_nothing()
    write_recordings(root / "inputs", 12, 3, 9)  # An evaluation has figures of all beginnings.
    label = ["--source=signals", "--label_regex=^([01])/", "--splits=test=2,train=rest"]
    status = convert([*label, f"--input_dir={root / 'inputs'}", f"--output_dir={root}", "--name=d"])
    line = (f"--dataset={root / 'd/1.0.0'}", f"--run_dir={root / 'run'}")
    return status or train([*line, *_MODEL]) or inspect([str(root / "d/1.0.0"), "--no_html"])


def _try_all(root: pathlib.Path, kind: str, seed: int, numbers: Sequence[int]) -> int:
    trace_nothing()
    gc.freeze()  # What is imported is not looked through again after each file.
    results = root / "results.jsonl"
    results.unlink(missing_ok=True)
    for number in numbers:
        rng = np.random.default_rng([seed, number])
        work = root / "work"
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(root / "d", work / "d")
        shutil.copytree(root / "run", work / "run")
        _mutate(work, kind, rng)
        keras.utils.clear_session()
        for name, command in _commands(root, work, kind).items():
            status, secs, said = _tried(command)
            line = json.dumps([number, name, status, secs, said[-1500:]])
            with results.open("a") as file:
                file.write(f"{line}\n")
    return 0


def _tried(command: Callable[[], int]) -> tuple[int, float, str]:
    output, started = io.StringIO(), time.process_time()
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            status = command()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        return -1, time.process_time() - started, traceback.format_exc()
    return status, time.process_time() - started, output.getvalue()


def _count(root: pathlib.Path, counts: Counts, more_mb: float) -> bool:
    """Adds up the results of a fork; returns whether there was a violation."""
    before = counts.violations
    statuses: dict[int, list[int]] = collections.defaultdict(list)
    for line in (root / "results.jsonl").read_text().splitlines():
        number, name, status, secs, said = json.loads(line)
        statuses[number].append(status)
        counts["slowest, ms"] = max(counts["slowest, ms"], round(1000 * secs))
        counts.violation("slow", int(secs > _LIMIT_SECS))
        counts.violation("traceback", int(status not in _STATUSES))
        if status not in _STATUSES or secs > _LIMIT_SECS:
            print(f"--- {number}, {name}: status {status}, {secs:.1f} s\n{said}", flush=True)
    counts["mutated"] += len(statuses)
    counts["all worked"] += sum(not any(found) for found in statuses.values())
    counts["refused"] += sum(any(found) for found in statuses.values())
    counts["MB above quiet"] = max(counts["MB above quiet"], round(more_mb))
    counts.violation("memory", int(more_mb > _LIMIT_MB))
    return counts.violations > before


def _commands(root: pathlib.Path, work: pathlib.Path, kind: str) -> dict[str, Callable[[], int]]:
    dataset, run_dir = str(work / "d/1.0.0"), f"--run_dir={work / 'run'}"
    data = f"--dataset={dataset}"
    predict = ("--mode=predict", run_dir, f"--input_dir={root / 'inputs'}")
    evaluate = ("--mode=evaluate", run_dir, data)
    again = (data, run_dir, *_MODEL, "--epochs=2", "--allow_changed=epochs", "--noreport")
    if kind in ("manifest", "index"):
        return {
            "verify": lambda: verify([dataset]),
            "inspect": lambda: inspect([dataset, "--no_html"]),
            "dry run": lambda: train([data, f"--run_dir={work / 'new'}", *_MODEL, "--dry_run"]),
        }
    if kind in ("state", "options"):
        return {"predict": lambda: train(predict), "train": lambda: train(again)}
    if kind in ("schema", "flags"):
        return {
            "predict": lambda: train(predict),
            "evaluate": lambda: train((*evaluate, "--noreport")),
        }
    return {"evaluate": lambda: train(evaluate)}


def _mutate(work: pathlib.Path, kind: str, rng: np.random.Generator) -> None:
    dataset, run_dir = work / "d/1.0.0", work / "run"
    match kind:
        case "manifest":
            _rewrite(dataset / "manifest.json", rng, _sealed)
        case "index":
            json_mutations.mutate_index(dataset / "index.parquet", rng)
            _reseal_index(dataset)
        case "schema":
            _rewrite(run_dir / "schema.json", rng)
        case "state":
            paths = [*run_dir.glob("checkpoints/ckpt-*/state.json"), run_dir / "best/state.json"]
            _rewrite(paths[int(rng.integers(len(paths)))], rng, _sealed)
        case "options":
            _rewrite_options(run_dir, rng)
        case "flags":
            path = run_dir / "config.flags"
            path.write_bytes(json_mutations.mutate_flags(path.read_text(), rng))
        case "evaluation":
            names = ("evaluation-test.json", "plan.json", "versions.json", "choices.json")
            name = str(rng.choice(names, p=[0.7, 0.1, 0.1, 0.1]))
            # An evaluation of the run's own dataset is written anew; one of another split is read.
            if name == names[0]:
                value = json.loads((run_dir / name).read_text())
                value["split"] = "train"
                name = "evaluation-train.json"
                shutil.copy(run_dir / "predictions-test.npz", run_dir / "predictions-train.npz")
                (run_dir / name).write_text(json.dumps(value))
            if (run_dir / name).exists():
                _rewrite(run_dir / name, rng)
        case "history":
            path = run_dir / "metrics.jsonl"
            value = json.loads(path.read_text().splitlines()[0])
            path.write_bytes(b"".join(json_mutations.mutate_json(value, rng).split(b"\n")) + b"\n")
        case _:
            paths = [*run_dir.glob("*.npz"), *run_dir.glob("checkpoints/*/*.npz")]
            path = paths[int(rng.integers(len(paths)))]
            path.write_bytes(mutate_bytes(path.read_bytes(), rng))


def _rewrite(
    path: pathlib.Path, rng: np.random.Generator, seal: Callable[[bytes], bytes] = bytes
) -> None:
    value = json.loads(path.read_text())
    value.pop("checksum", None)
    path.write_bytes(seal(json_mutations.mutate_json(value, rng)))


def _sealed(content: bytes) -> bytes:
    try:
        return sealed_json(json.loads(content)).encode()
    except (ValueError, TypeError, RecursionError):
        return content


def _reseal_index(dataset: pathlib.Path) -> None:
    content = (dataset / "index.parquet").read_bytes()
    manifest = json.loads((dataset / "manifest.json").read_text())
    del manifest["checksum"]
    digest = hashlib.sha256(content).hexdigest()
    manifest["files"]["index.parquet"] = {"sha256": digest, "size_bytes": len(content)}
    (dataset / "manifest.json").write_text(sealed_json(manifest))


def _rewrite_options(run_dir: pathlib.Path, rng: np.random.Generator) -> None:
    """Options of all checkpoints, under the hash of what they are now."""
    (path,) = run_dir.glob("checkpoints/options-*.json")
    content = json_mutations.mutate_json(json.loads(path.read_text()), rng)
    digest = hashlib.sha256(content).hexdigest()
    (path.parent / f"options-{digest[:12]}.json").write_bytes(content)
    for state in run_dir.glob("checkpoints/ckpt-*/state.json"):
        value = json.loads(state.read_text())
        del value["checksum"]
        state.write_text(sealed_json({**value, "identity": digest}))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

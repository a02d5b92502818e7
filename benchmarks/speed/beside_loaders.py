"""Input and conversion beside other projects' loaders and file formats.

    make bench-peers                                     # makes the environment .venv-peers, too
    python -m benchmarks.speed.beside_loaders --peers_python=.venv-peers/bin/python
      [--works=input,conversion] [--sets=large,small] [--tools=torch_memory_map,...]
      [--workers=0,2] [--repeats=5] [--quick]

The recordings of `input.py` and `conversion_speed.py`, from and into each tool's own files, by its
public API (`benchmarks/peers/loaders/`). Each is a process of its own, which works when it is its
turn; what all deliver is compared by checksums first. Ours has threads and no workers, so it is the
same beside either number of a peer's. Seconds are of the clock and of the processor, with worker
processes; pin the command to a core (`taskset -c 0`) to compare work, not cores.
"""

import contextlib
import dataclasses
import functools
import os
import pathlib
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.many_records import signal_of, write_many
from benchmarks.harness.measure import Row, against, alternately
from benchmarks.harness.processes import temporary_folder
from benchmarks.harness.recordings import lognormal_lengths, record_id, signal_dataset
from benchmarks.harness.tables import show
from benchmarks.harness.worker import Worker
from benchmarks.peers.loaders.plain_arrays import Record, write_plain
from benchmarks.speed.conversion_speed import Sets, per_gb, turn
from benchmarks.speed.input import BATCH_SIZE, BUCKETS, EPOCHS, SMALL_BATCH_SIZE
from pipeline.batches.boundaries import optimal_boundaries

_MODULE = "benchmarks.peers.loaders.worker"
# What each takes part in; no small recording is in a file of its own.
_SMALL = (
    "torch_memory_map",
    "grain_array_record",
    "mosaic_streaming",
    "web_dataset",
    "hugging_face",
)
_TOOLS = {
    "large": ("torch_npz", *_SMALL),
    "small": _SMALL,
    "conversion": (*_SMALL[1:], "mosaic_hashed"),
}
# How many times as fast ours must be.
_INPUT_TARGET, _CONVERSION_TARGET = 1.5, 1.0
_CLOCKS = {"wall": "secs", "processor": "cpu_secs"}


def main() -> None:
    """Prints rows; exits with 1 where a target is missed."""
    args = parse_flags(
        __doc__, peers_python=str, works="input,conversion", sets="large,small", tools="",
        workers="0,2", repeats=5, quick=False,
    )  # fmt: skip
    rows = []
    with temporary_folder() as folder:
        if "input" in args.works.split(","):
            for name in args.sets.split(","):
                rows += show(_input(name, folder / name, args))
        if "conversion" in args.works.split(","):
            rows += show(_conversion(folder, args))
    sys.exit(any(row.holds is False for row in rows))


@dataclasses.dataclass(frozen=True)
class _Set:
    """Recordings to read.

    Attributes:
      name: of the set, to be printed.
      dataset: ours of them.
      unit: what times are for one of.
      count: how many there are in an epoch.
      batch_size: records of a batch.
      epochs: of a turn.
    """

    name: str
    dataset: str
    unit: str
    count: int
    batch_size: int
    epochs: int


def _large(folder: pathlib.Path, quick: bool) -> _Set:
    lengths = lognormal_lengths(60 if quick else 600)
    dataset = signal_dataset(folder, lengths)
    _write_plain(folder, lengths, _pairs(folder, len(lengths)))
    return _Set("486 kB", dataset, "us/valid step", int(lengths.sum()), BATCH_SIZE, EPOCHS)


def _small(folder: pathlib.Path, quick: bool) -> _Set:
    count = 10_000 if quick else 100_000
    lengths = np.random.default_rng(0).integers(1, 4, count)
    dataset = write_many(folder, lengths).path
    label = np.zeros(1, np.int64)
    _write_plain(folder, lengths, (("", signal_of(steps), label) for steps in lengths.tolist()))
    return _Set("71 bytes", dataset, "us/record", count, SMALL_BATCH_SIZE, 1)


def _write_plain(folder: pathlib.Path, lengths: np.ndarray, records: Iterable[Record]) -> None:
    write_plain(folder / "plain", records, optimal_boundaries(lengths, BUCKETS))


def _pairs(folder: pathlib.Path, count: int) -> Iterator[Record]:
    for name in map(record_id, range(count)):
        with (
            np.load(folder / "signal" / f"{name}.npz") as signal,
            np.load(folder / "target" / f"{name}.npz") as target,
        ):
            yield name, signal["signal"], target["target"].ravel()


def _input(name: str, folder: pathlib.Path, args: Any) -> Iterator[Row]:
    found = {"large": _large, "small": _small}[name](folder, args.quick)
    flags = ["--work=input", f"--inputs={folder / 'plain'}", f"--batch_size={found.batch_size}"]
    flags.append(f"--epochs={found.epochs}")
    starts = {"ours": _start("ours", *flags, f"--output={found.dataset}")}
    for tool in _tools(args, name):
        for workers in args.workers.split(","):
            given = (*flags, f"--output={folder / tool}", f"--workers={workers}")
            starts[f"{tool}, {workers} workers"] = _start(tool, *given, python=args.peers_python)
    with contextlib.ExitStack() as stack:
        running = {key: stack.enter_context(start()) for key, start in starts.items()}
        _check({key: worker.first for key, worker in running.items()})
        runs = {key: worker.step for key, worker in running.items()}
        os.sync()  # Files that were just made are not written back meanwhile.
        alternately(runs, 1)  # What comes once, as processes that are started.
        reports = alternately(runs, args.repeats)
    scale = 1e6 / found.epochs / found.count
    for clock, key in _CLOCKS.items():
        costs = {name: [scale * r[key] for r in turns] for name, turns in reports.items()}
        yield from _rows(f"input, {found.name}", costs, f"{clock} {found.unit}", _INPUT_TARGET)


def _check(delivered: dict[str, dict[str, Any]]) -> None:
    """Exits where a tool delivers other values than ours, and tells what part is padding."""
    for name, found in delivered.items():
        same = ("records", "valid_steps", "checksum", "dtype")
        if wrong := [key for key in same if found[key] != delivered["ours"][key]]:
            sys.exit(f"error: {name} delivers other {', '.join(wrong)}: {delivered}")
        print(f"{name}: {1 - found['valid_steps'] / found['padded_steps']:.1%} padding", flush=True)


def _conversion(folder: pathlib.Path, args: Any) -> Iterator[Row]:
    few, many = (2, 10) if args.quick else (8, 128)
    sets = Sets(folder, many, fills=not args.quick)
    starts, runs = {}, {}
    for tool in ("ours", *_tools(args, "conversion")):
        python = sys.executable if tool == "ours" else args.peers_python
        for count in (few, many):
            flags = ("--work=conversion", f"--inputs={sets.first(count)}")
            output = f"--output={folder}/{tool}{count}"
            starts[tool, count] = _start(tool, *flags, output, python=python)
    with contextlib.ExitStack() as stack:
        for key, start in starts.items():
            runs[key] = functools.partial(turn, stack.enter_context(start()), sets)
        reports = alternately(runs, args.repeats)
    for clock, key in _CLOCKS.items():
        secs = {name: [report[key] for report in turns] for name, turns in reports.items()}
        costs = {
            tool: per_gb(secs[tool, few], secs[tool, many], many - few)
            for tool, count in secs
            if count == few
        }
        yield from _rows("conversion", costs, f"{clock} s/GB", _CONVERSION_TARGET)


def _rows(what: str, costs: dict[str, list[float]], unit: str, target: float) -> Iterator[Row]:
    for name, figures in costs.items():
        if name != "ours":
            yield against(f"{what} / {name}", costs["ours"], figures, unit, target)


def _tools(args: Any, what: str) -> list[str]:
    asked = args.tools.split(",") if args.tools else _TOOLS[what]
    return [tool for tool in _TOOLS[what] if tool in asked]


def _start(tool: str, *flags: str, python: str = sys.executable) -> Callable[[], Worker]:
    return lambda: Worker(_MODULE, f"--tool={tool}", *flags, python=python)


if __name__ == "__main__":
    main()

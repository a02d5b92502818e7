"""What grows with classes, groups, records and their length: time, memory, pages, JSON.

    python -m benchmarks.faults.growth [--classes=10000] [--groups=10000] [--steps=1000000]
        [--records=100000] [--epochs=1]

Makes four sets, one very large in each of these, and measures the commands on each: conversion,
inspection with its page, training of a small model with evaluation and report. 0 leaves a set out.
Exits with 1 where a page is above 4 MB, or a JSON file of an evaluation above 1 MB.
"""

import os
import pathlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.processes import peak_mb, start_module, temporary_folder
from benchmarks.harness.tables import print_table
from benchmarks.harness.tiny_model import TINY_MODEL

_MAX_PAGE_MB, _MAX_JSON_MB = 4.0, 1.0
_LIMIT_SECS = 1800.0
_SPLITS = "--split_regex=(?P<test>test_)"
_MODEL = (*TINY_MODEL, "--batching=random", "--batch_size=64", "--notensorboard")


class Figure(NamedTuple):
    """What one command took and left: secs, MB of memory at its peak, MB of page and of JSON."""

    command: str
    secs: float
    peak_mb: float
    page_mb: float = 0.0
    json_mb: float = 0.0


def main(argv: list[str]) -> int:
    """Makes, measures, prints the table."""
    args = parse_flags(
        __doc__, argv, classes=10_000, groups=10_000, steps=1_000_000, records=100_000, epochs=1
    )
    sets: dict[str, tuple[int, Callable[[pathlib.Path, int], list[str]]]] = {
        "classes": (args.classes, _of_classes),
        "groups": (args.groups, _of_groups),
        "steps": (args.steps, _of_steps),
        "records": (args.records, _of_records),
    }
    rows, is_bounded = [], True
    for name, (size, make) in sets.items():
        for found in _measured(size, make, args.epochs) if size else ():
            is_bounded &= found.page_mb <= _MAX_PAGE_MB and found.json_mb <= _MAX_JSON_MB
            figures = (f"{found.secs:.0f}", f"{found.peak_mb:,.0f}")
            sizes = (f"{found.page_mb:.2f}", f"{found.json_mb:.3f}")
            rows.append((f"{size:,} {name}", found.command, *figures, *sizes))
    print_table(("set", "command", "secs", "peak MB", "page MB", "JSON MB"), rows)
    return int(not is_bounded)


def _measured(
    size: int, make: Callable[[pathlib.Path, int], list[str]], epochs: int
) -> Iterator[Figure]:
    with temporary_folder() as root:
        flags = make(root / "inputs", size)
        places = [f"--input_dir={root / 'inputs'}", f"--output_dir={root / 'data'}", "--name=set"]
        convert = ["--source=signals", *places, _SPLITS, "--splits=train=1", *flags]
        secs, peak, said = _run(root, "pipeline", *convert)
        dataset = root / "data" / "set" / "1.0.0"
        yield Figure("convert", secs, peak, said, _mb(dataset / "manifest.json"))
        page = root / "inspect.html"
        secs, peak, _ = _run(root, "pipeline.inspect", str(dataset), f"--html={page}")
        yield Figure("inspect", secs, peak, _mb(page))
        run = root / "run"
        train = [f"--dataset={dataset}", f"--run_dir={run}", f"--epochs={epochs}", *_MODEL]
        secs, peak, _ = _run(root, "trainer", *train, "--noreport")
        yield Figure("train, evaluate", secs, peak, 0.0, _mb(run / "evaluation-test.json"))
        secs, peak, _ = _run(root, "trainer", f"--run_dir={run}", "--mode=evaluate", "--report")
        found = _mb(run / "report.html"), _mb(run / "evaluation-test.json")
        yield Figure("evaluate, report", secs, peak, *found)


def _run(root: pathlib.Path, module: str, *flags: str) -> tuple[float, float, float]:
    """Seconds, peak in MB, and MB of what was said, of a command that must succeed."""
    log = root / "log"
    log.unlink(missing_ok=True)
    started = time.monotonic()
    code, peak = peak_mb(start_module(module, *flags, log=log), _LIMIT_SECS)
    if code:
        sys.exit(f"error: {module} {' '.join(flags)}\n{log.read_text()[-3000:]}")
    return time.monotonic() - started, peak, _mb(log)


def _mb(path: pathlib.Path) -> float:
    return path.stat().st_size / 1e6


def _of_classes(folder: pathlib.Path, size: int) -> list[str]:
    """One tiny recording of each class in train, and one in test."""
    for number in range(2 * size):
        values = {"signal": np.full((3, 2), number % 7, np.float32), "label": f"c{number % size}"}
        _write(folder, number, number >= size, **values)
    return []


def _of_groups(folder: pathlib.Path, size: int) -> list[str]:
    """Two recordings of each group, a tenth of the groups in test."""
    for number in range(2 * size):
        values = {"signal": np.full((3, 2), number % 7, np.float32), "label": number % 2}
        _write(folder, number // 2, number // 2 < size // 10, suffix=f"_{number % 2}", **values)
    return [r"--group_regex=g\d+"]


def _of_steps(folder: pathlib.Path, size: int) -> list[str]:
    """Four recordings of so many steps in train, four in test."""
    for number in range(8):
        signal = np.random.default_rng(number).normal(size=(size, 2)).astype(np.float32)
        _write(folder, number, number >= 4, signal=signal, label=number % 2)
    return []


def _of_records(folder: pathlib.Path, size: int) -> list[str]:
    """So many short recordings, a tenth in test; links to a few files, which are quicker made."""
    for number in range(size):
        first = number // 10_000 * 10_000
        path = _path(folder, number, number % 10 == 0)
        if number == first:
            _write(folder, number, True, signal=np.ones((5, 3), np.float32), label=number // 10_000)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(_path(folder, first, True), path)
    return []


def _path(folder: pathlib.Path, number: int, is_test: bool, suffix: str = "") -> pathlib.Path:
    name = f"{'test_' if is_test else ''}g{number:07d}{suffix}.npz"
    return folder / f"{number // 1000:04d}" / name


def _write(
    folder: pathlib.Path, number: int, is_test: bool, suffix: str = "", **arrays: Any
) -> None:
    path = _path(folder, number, is_test, suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Mutated inputs: each is converted or rejected, quickly, in bounded memory.

    python -m benchmarks.faults.fuzz_inputs [--inputs=3000] [--seed=0]

Sets of 100 mutated inputs among 101 good ones are converted: npz files, and folders with a mutated
JPEG, PNG or annotation.json; half of the mutations know the format, half change any byte. Counted
as violations: a conversion that ends otherwise than with a dataset; records and rejects that are
not together what was given; a good input that was rejected; an input that takes more than 10 s;
and a process that takes 400 MB more than one that converts good inputs alone (--max_record_mib=64,
--max_annotation_mib=4 and --max_frame_pixels=4000000 are the limits of what one input may take).

Conversions are forked from this process, which has imported Beam and TensorFlow and started
neither. Exits with 1 after a violation; `--keep` leaves the folders of those for a look.
"""

from pipeline.console import quiet

quiet.start(gpu=False)

import argparse
import collections
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.faults import mutations
from benchmarks.harness.processes import fork, print_table
from pipeline.conversion.convert import main as convert
from pipeline.sources.image_folders import ImageFolderSource
from pipeline.sources.signals import SignalSource

_MUTATED = 100
_LIMIT_SECS, _BATCH_LIMIT_SECS = 10.0, 240.0
_LIMIT_MB = 400.0
_LIMITS = ["--max_record_mib=64", "--splits=train=1", "--max_rejected_fraction=1"]
_SIGNALS = (
    ["--signal_key=signal", "--label_key=label"],
    ["--signal_key=signal", "--label_key=label", "--group_key=subject"],
    ["--signal_key=signal", "--label_key=label", "--non_finite=zero"],
    ["--signal_key=signal", "--label_kind=none", "--window_samples=3", "--tail=pad"],
)
_FRAMES = ["--source=image_folders", "--max_annotation_mib=4", "--max_frame_pixels=4000000"]
_KINDS = ("npz", "JPEG", "PNG", "JSON")


def main(argv: list[str]) -> int:
    """Converts all sets and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", default="", help="folder for sets with a violation")
    args = parser.parse_args(argv)
    counts: dict[str, collections.Counter[str]] = {kind: collections.Counter() for kind in _KINDS}
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        quiet_mb = {kind: _quiet_mb(root / f"quiet_{kind}", kind) for kind in ("npz", "JPEG")}
        for number in range(-(-args.inputs // _MUTATED)):
            kind = _KINDS[number % 6 - 2] if number % 6 > 2 else "npz"  # Half of them are npz.
            folder = root / str(number)
            before = _violations(counts[kind])
            mutated = min(_MUTATED, args.inputs - number * _MUTATED)
            rng = np.random.default_rng([args.seed, number])
            _run(
                folder,
                kind,
                rng,
                mutated,
                counts[kind],
                quiet_mb["npz" if kind == "npz" else "JPEG"],
            )
            if args.keep and _violations(counts[kind]) > before:
                shutil.copytree(folder, pathlib.Path(args.keep, f"{args.seed}-{number}-{kind}"))
            shutil.rmtree(folder)
    return _report(counts)


def _run(
    folder: pathlib.Path,
    kind: str,
    rng: np.random.Generator,
    mutated: int,
    counts: collections.Counter[str],
    quiet_mb: float,
) -> None:
    flags = _write(folder / "in", kind, rng, mutated)
    code, peak_mb = _convert(folder, flags)
    slowest = [float(text) for text in (folder / "secs").read_text().split()] or [0.0]
    good, given = _MUTATED + 1, _MUTATED + 1 + mutated
    counts["mutated"] += mutated
    counts["slowest input, ms"] = max(counts["slowest input, ms"], round(1000 * max(slowest)))
    counts["MB above quiet"] = max(counts["MB above quiet"], round(peak_mb - quiet_mb))
    counts["VIOLATION: slow"] += sum(secs > _LIMIT_SECS for secs in slowest)
    counts["VIOLATION: memory"] += peak_mb - quiet_mb > _LIMIT_MB
    if code:
        counts["VIOLATION: no dataset"] += 1
        print((folder / "log").read_text()[-3000:])
        return
    dataset = folder / "out" / "fuzz" / "1.0.0"
    manifest = json.loads((dataset / "manifest.json").read_text())
    records = sum(split["records"] for split in manifest["splits"].values())
    lines = (dataset / "rejects.jsonl").read_text().splitlines()
    paths = [json.loads(line)["path"] for line in lines]
    counts["accepted"] += records - good
    counts["rejected"] += len(paths)
    counts["VIOLATION: lost or made up"] += records + len(set(paths)) != given
    counts["VIOLATION: good input rejected"] += sum(path.startswith("good") for path in paths)


def _convert(folder: pathlib.Path, flags: list[str]) -> tuple[int, float]:
    """Exit status, and the most memory that the process took, in MB."""
    argv = [f"--input_dir={folder / 'in'}", f"--output_dir={folder / 'out'}", "--name=fuzz"]

    def run() -> int:
        _time_inputs(folder / "secs")
        return convert([*argv, *_LIMITS, *flags])

    (folder / "secs").touch()
    pid = fork(run, folder / "log")
    deadline = time.monotonic() + _BATCH_LIMIT_SECS
    while True:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), usage.ru_maxrss / 1000
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            deadline = float("inf")
        time.sleep(0.02)


def _time_inputs(log: pathlib.Path) -> None:
    """Notes the seconds of each input that takes more than 0.2 s, in this process."""

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any) -> Any:
            started = time.monotonic()
            try:
                return function(*args)
            finally:
                secs = time.monotonic() - started
                if secs > 0.2:
                    with log.open("a") as file:
                        file.write(f"{secs}\n")

        return wrapper

    for source in (SignalSource, ImageFolderSource):
        for name in ("describe", "read"):
            setattr(source, name, timed(getattr(source, name)))


def _quiet_mb(folder: pathlib.Path, kind: str) -> float:
    code, peak_mb = _convert(folder, _write(folder / "in", kind, np.random.default_rng(0), 0))
    if code:
        raise SystemExit((folder / "log").read_text())
    return peak_mb


def _write(folder: pathlib.Path, kind: str, rng: np.random.Generator, mutated: int) -> list[str]:
    """Writes the inputs and returns the flags to convert them with."""
    folder.mkdir(parents=True)
    for number in range(_MUTATED + 1):
        _write_input(folder / f"good{number}", kind, rng, is_good=True)
    for number in range(mutated):
        _write_input(folder / f"odd{number}", kind, rng, is_good=False)
    if kind == "npz":
        return ["--source=signals", *_SIGNALS[int(rng.integers(len(_SIGNALS)))]]
    return [*_FRAMES, "--label_key=velocity", "--group_key=drive", "--label_kind=record_value"]


def _write_input(path: pathlib.Path, kind: str, rng: np.random.Generator, *, is_good: bool) -> None:
    if kind == "npz":
        members = {name: mutations.npy(a) for name, a in mutations.good_arrays(rng).items()}
        content = mutations.npz(members) if is_good else mutations.mutate_npz(rng)
        path.with_name(f"{path.name}.npz").write_bytes(content)
        return
    path.mkdir()
    makers = {"JPEG": mutations.mutate_jpeg, "PNG": mutations.mutate_png}
    is_odd_image = not is_good and kind in makers
    format_ = kind if kind in makers else str(rng.choice(["JPEG", "PNG"]))
    image = makers[kind](rng) if is_odd_image else mutations.good_image(rng, format_)
    (path / "0.jpg").write_bytes(mutations.good_image(rng, "JPEG"))
    (path / "1.jpg").write_bytes(image)
    annotation = json.dumps([{"velocity": [0.5, 1.5], "drive": "a"}]).encode()
    is_odd_text = not is_good and kind == "JSON"
    text = mutations.mutate_json(rng) if is_odd_text else annotation
    (path / "annotation.json").write_bytes(text)


def _violations(counts: collections.Counter[str]) -> int:
    return sum(count for name, count in counts.items() if name.startswith("VIOLATION"))


def _report(counts: dict[str, collections.Counter[str]]) -> int:
    names = ["mutated", "accepted", "rejected", "slowest input, ms", "MB above quiet"]
    names += sorted({n for c in counts.values() for n in c if n.startswith("VIOLATION")})
    print_table(("inputs", *names), [[k, *(c[n] for n in names)] for k, c in counts.items()])
    return int(any(map(_violations, counts.values())))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

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

import json
import pathlib
import shutil
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.faults import mutations
from benchmarks.harness.flags import parse_flags
from benchmarks.harness.processes import fork, peak_mb, temporary_folder
from benchmarks.harness.tables import Counts, report_by
from pipeline.conversion.convert import main as convert
from pipeline.sources.kinds.image_folders import ImageFolderSource
from pipeline.sources.kinds.signals import SignalSource

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
_COLUMNS = ("mutated", "accepted", "rejected", "slowest input, ms", "MB above quiet")
_KINDS = ("npz", "JPEG", "PNG", "JSON")


def main(argv: list[str]) -> int:
    """Converts all sets and prints the table."""
    args = parse_flags(__doc__, argv, inputs=3000, seed=0, keep="")
    counts = {kind: Counts() for kind in _KINDS}
    with temporary_folder() as root:
        quiet_mb = {kind: _quiet_mb(root / f"quiet_{kind}", kind) for kind in ("npz", "JPEG")}
        for number in range(-(-args.inputs // _MUTATED)):
            kind = _KINDS[number % 6 - 2] if number % 6 > 2 else "npz"  # Half of them are npz.
            folder = root / str(number)
            before = counts[kind].violations
            mutated = min(_MUTATED, args.inputs - number * _MUTATED)
            flags = _write(folder / "in", kind, np.random.default_rng([args.seed, number]), mutated)
            code, most_mb = _convert(folder, flags)
            more_mb = most_mb - quiet_mb["npz" if kind == "npz" else "JPEG"]
            _count(folder, mutated, code, more_mb, counts[kind])
            if args.keep and counts[kind].violations > before:
                shutil.copytree(folder, pathlib.Path(args.keep, f"{args.seed}-{number}-{kind}"))
            shutil.rmtree(folder)
    return report_by("inputs", counts, _COLUMNS)


def _count(folder: pathlib.Path, mutated: int, code: int, more_mb: float, counts: Counts) -> None:
    slowest = [float(text) for text in (folder / "secs").read_text().split()] or [0.0]
    counts["mutated"] += mutated
    counts["slowest input, ms"] = max(counts["slowest input, ms"], round(1000 * max(slowest)))
    counts["MB above quiet"] = max(counts["MB above quiet"], round(more_mb))
    counts.violation("slow", sum(secs > _LIMIT_SECS for secs in slowest))
    counts.violation("memory", more_mb > _LIMIT_MB)
    counts.violation("no dataset", code != 0, folder / "log")
    if code:
        return
    dataset = folder / "out" / "fuzz" / "1.0.0"
    manifest = json.loads((dataset / "manifest.json").read_text())
    records = sum(split["records"] for split in manifest["splits"].values())
    lines = (dataset / "rejects.jsonl").read_text().splitlines()
    paths = [json.loads(line)["path"] for line in lines]
    good = _MUTATED + 1
    counts["accepted"] += records - good
    counts["rejected"] += len(paths)
    counts.violation("lost or made up", records + len(set(paths)) != good + mutated)
    counts.violation("good input rejected", sum(path.startswith("good") for path in paths))


def _convert(folder: pathlib.Path, flags: list[str]) -> tuple[int, float]:
    """Exit status, and the most memory that the process took, in MB."""
    argv = [f"--input_dir={folder / 'in'}", f"--output_dir={folder / 'out'}", "--name=fuzz"]

    def run() -> int:
        _time_inputs(folder / "secs")
        return convert([*argv, *_LIMITS, *flags])

    (folder / "secs").touch()
    return peak_mb(fork(run, folder / "log"), _BATCH_LIMIT_SECS)


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
    code, most_mb = _convert(folder, _write(folder / "in", kind, np.random.default_rng(0), 0))
    if code:
        raise SystemExit((folder / "log").read_text())
    return most_mb


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

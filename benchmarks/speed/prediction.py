"""Predicting a folder of npz recordings with one command, beside a PyTorch script that does it.

    python -m benchmarks.speed.prediction --torch_python=.venv-torch/bin/python
      [--model=fcn] [--records=2000] [--few=200] [--repeats=3]

Both read the files, pad batches of like length, and write a CSV of probabilities. A command's time
is its start and its records: `--few` records show the first, the difference to `--records` the
second. Recordings have one channel and 64 to 1,024 samples; the weights are of no training.
"""

import pathlib
import subprocess
import sys
from collections.abc import Callable

import numpy as np

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.measure import Row, against, alternately, seconds
from benchmarks.harness.processes import run_module, temporary_folder
from benchmarks.harness.tables import show

_TRAINED_ON, _CLASSES = 40, 8


def main() -> None:
    """Prints rows."""
    args = parse_flags(
        __doc__, torch_python=str, model="fcn", records=2000, few=200, repeats=3
    )  # fmt: skip
    with temporary_folder() as folder:
        few, many = (_recordings(folder / str(n), n) for n in (args.few, args.records))
        run_dir = _run(folder, args.model)
        flags = ["--mode=predict", f"--run_dir={run_dir}", f"--output={folder / 'ours.csv'}"]
        ours = [sys.executable, "-m", "trainer", *flags]
        theirs = [args.torch_python, "-m", "benchmarks.peers.pytorch.predict_folder"]
        theirs += [f"--model={args.model}", f"--output={folder / 'theirs.csv'}"]
        commands = {"ours": ours, "eager": theirs, "compiled": [*theirs, "--compiled"]}
        runs = {
            (name, inputs.name): _timed([*command, f"--input_dir={inputs}"])
            for name, command in commands.items()
            for inputs in (few, many)
        }
        found = alternately({" ".join(key): run for key, run in runs.items()}, args.repeats)
    rows = []
    for peer in ("eager", "compiled"):
        starts = [found[f"{name} {args.few}"] for name in ("ours", peer)]
        rows.append(against(f"{args.few} recordings / {peer}", *starts, "s"))
        rows.append(_each(args, found, peer))
    show(rows)


def _each(args: object, found: dict[str, list[float]], peer: str) -> Row:
    """Of a recording more."""
    few, many = args.few, args.records
    each = [
        [
            1000 * (more - less) / (many - few)
            for less, more in zip(found[f"{name} {few}"], found[f"{name} {many}"], strict=True)
        ]
        for name in ("ours", peer)
    ]
    return against(f"a recording more / {peer}", *each, "ms")


def _timed(command: list[str]) -> Callable[[], float]:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": True}
    return lambda: seconds(lambda: subprocess.run(command, **quiet))


def _recordings(folder: pathlib.Path, count: int) -> pathlib.Path:
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(count):
        signal = random.standard_normal((random.integers(64, 1025), 1), np.float32)
        np.savez(folder / f"{number:06d}.npz", signal=signal, label=number % _CLASSES)
    return folder


def _run(folder: pathlib.Path, model: str) -> pathlib.Path:
    """A run of one update."""
    inputs = _recordings(folder / "train", _TRAINED_ON)
    places = [f"--input_dir={inputs}", f"--output_dir={folder}", "--name=d"]
    run_module("pipeline", "--source=signals", *places)
    small = ["--epochs=1", "--ensemble=1", "--norandom_convolutions", "--normalization=record"]
    small += ["--notensorboard", "--noreport", f"--model={model}", f"--run_dir={folder / 'run'}"]
    run_module("trainer", f"--dataset={folder / 'd' / '1.0.0'}", *small)
    return folder / "run"


if __name__ == "__main__":
    main()

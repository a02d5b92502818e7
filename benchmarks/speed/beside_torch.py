"""Training steps and predictions beside PyTorch, eager and compiled, and the time to the first.

    make bench-torch                                     # makes the environment .venv-torch, too
    python -m benchmarks.speed.beside_torch --torch_python=.venv-torch/bin/python
      [--only=signal,fcn] [--precisions=float32,bfloat16] [--works=train,predict,latency]
      [--repeats=5] [--no-eager]

The same batches, Adam, forward, backward and update; each network is a process of its own, which
trains when it is its turn. Signal: recordings of the published shape, ours by the planned batches
of an epoch, theirs on the one of median padding. The others: 16 recordings of 512 samples of a
channel (frames: 8 of 16), all of the longest or half of it padding. Times are for each valid step.
Predictions are of the same batches, and of one recording of half the longest alone (`latency`).
"""

import contextlib
import itertools
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.measure import Row, against, alternately
from benchmarks.harness.processes import temporary_folder
from benchmarks.harness.recordings import lognormal_lengths, signal_dataset
from benchmarks.harness.tables import show
from benchmarks.harness.worker import Worker
from benchmarks.speed.step import ROWS, as_argument, typical_lengths

NETWORKS = "signal,fcn,inception_time,conformer,video"
# How many times longer PyTorch must take, eager and compiled.
_TARGETS = {"signal": (3.0, 2.5)}
_OTHERS = (None, 1.0)


def main() -> None:
    """Prints rows; exits with 1 where a target is missed."""
    args = parse_flags(
        __doc__, torch_python=str, only=NETWORKS, precisions="float32,bfloat16", repeats=5,
        eager=True, works="train,predict,latency",
    )  # fmt: skip
    missed = False
    with temporary_folder() as folder:
        for name in args.only.split(","):
            workers = _signal(folder) if name == "signal" else _family(name)
            for what, starts in workers(args).items():
                rows = show(_rows(what, starts, _TARGETS.get(name, _OTHERS), args.repeats))
                missed |= any(row.holds is False for row in rows)
    sys.exit(missed)


# By what is compared: functions that start a worker, ours first.
Starts = dict[str, dict[str, Callable[[], Worker]]]


def _signal(folder: pathlib.Path) -> Callable[[Any], Starts]:
    """Of the published signal model."""
    repeats = 8
    lengths = np.append(typical_lengths(ROWS), lognormal_lengths(ROWS * (repeats - 1)))
    dataset = signal_dataset(folder, lengths)
    given = ["--model=signal", f"--folder={folder}", as_argument(range(ROWS))]

    def ours(precision: str) -> Callable[[], Worker]:
        flags = (f"--precision={precision}", f"--dataset={dataset}", f"--batch_size={ROWS}")
        return lambda: Worker("benchmarks.speed.step_worker", *flags)

    return lambda args: {
        f"signal, {precision}": {"ours": ours(precision), **_torch(args, precision, given)}
        for precision in args.precisions.split(",")
    }


def _family(name: str) -> Callable[[Any], Starts]:
    """Of a family, on recordings of equal and of unequal length."""

    def ours(flags: list[str]) -> Callable[[], Worker]:
        return lambda: Worker("benchmarks.speed.family_worker", *flags)

    def workers(args: Any) -> Starts:
        found: Starts = {}
        flags = [args.precisions.split(","), args.works.split(","), (False, True)]
        for precision, work, half in itertools.product(*flags):
            if work == "latency" and half:
                continue
            given = [f"--model={name}", f"--work={work}", *(["--half_padding"] if half else [])]
            what = f"{name}, {precision}, {work}" + (", half padding" if half else "")
            mine = ours([*given, f"--precision={precision}"])
            found[what] = {"ours": mine, **_torch(args, precision, given)}
        return found

    return workers


def _torch(args: Any, precision: str, given: list[str]) -> dict[str, Callable[[], Worker]]:
    """PyTorch eager and compiled."""

    def start(*flags: str) -> Callable[[], Worker]:
        flags = (*given, f"--precision={precision}", *flags)
        return lambda: Worker("benchmarks.peers.pytorch.worker", *flags, python=args.torch_python)

    return {**({"eager": start()} if args.eager else {}), "compiled": start("--compiled")}


def _rows(
    what: str,
    starts: dict[str, Callable[[], Worker]],
    targets: tuple[float | None, float | None],
    repeats: int,
) -> Iterator[Row]:
    with contextlib.ExitStack() as stack:
        workers = {key: stack.enter_context(start()) for key, start in starts.items()}
        sizes = {key: worker.first["parameters"] for key, worker in workers.items()}
        if max(sizes.values()) > 1.01 * min(sizes.values()):
            sys.exit(f"error: {what}: not the same network, so many parameters: {sizes}")
        runs = {key: worker.step for key, worker in workers.items()}
        alternately(runs, 1)  # What comes once, as other shapes do.
        reports = alternately(runs, repeats)
    count, unit = "valid_steps", "ms/valid step"
    if "latency" in what:
        count, unit = "calls", "ms"
    secs = {
        key: [1e3 * report["secs"] / report[count] for report in found]
        for key, found in reports.items()
    }
    for peer, target in zip(("eager", "compiled"), targets, strict=True):
        if peer in secs:
            yield against(f"{what} / torch {peer}", secs["ours"], secs[peer], unit, target)
            first = ([workers[key].first_secs] for key in ("ours", peer))
            yield against(f"{what}, first / {peer}", *first, "s")


if __name__ == "__main__":
    main()

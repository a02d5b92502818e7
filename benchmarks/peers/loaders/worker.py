"""Worker process: goes through epochs of a tool's batches, or writes its files, when asked to.

python -m benchmarks.peers.loaders.worker --tool=torch_memory_map --work=input --inputs=PLAIN
  --output=FOLDER [--batch_size=32] [--epochs=1] [--workers=0]

`input` makes the tool's files first where it has some, and in its first turn tells what a turn
delivers. `conversion` writes the tool's files of npz files, and removes them again.
"""

import importlib
import os
import pathlib
import shutil
import time
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.processes import processor_secs
from benchmarks.harness.worker import report, turns
from benchmarks.peers.loaders.plain_arrays import PlainArrays, npz_records


def main() -> None:
    """Works, reporting the seconds of every turn."""
    args = parse_flags(
        __doc__, tool=str, work=str, inputs=str, output=str, batch_size=32, epochs=1, workers=0
    )
    tool = importlib.import_module(f"benchmarks.peers.loaders.{args.tool}")
    {"input": _input, "conversion": _conversion}[args.work](tool, args)


def _input(tool: Any, args: Any) -> None:
    recordings = PlainArrays(args.inputs)
    if hasattr(tool, "write") and not os.path.exists(args.output):
        os.makedirs(args.output)
        tool.write(recordings, args.output)
    turn = tool.batches(recordings, args.output, args.batch_size, args.epochs, args.workers)
    for number, _ in enumerate(turns()):
        if number == 0:
            report(**delivered(turn()))
            continue
        report(**_measured(lambda: [None for _ in turn()]))


def _conversion(tool: Any, args: Any) -> None:
    for _ in turns():
        shutil.rmtree(args.output, ignore_errors=True)
        os.makedirs(args.output)
        if hasattr(tool, "convert"):
            figures = _measured(lambda: tool.convert(args.inputs, args.output))
        else:
            figures = _measured(lambda: tool.write(npz_records(args.inputs), args.output))
        files = filter(pathlib.Path.is_file, pathlib.Path(args.output).rglob("*"))
        size = sum(path.stat().st_size for path in files)
        shutil.rmtree(args.output)
        report(**figures, size_bytes=size)


def _measured(work: Callable[[], object]) -> dict[str, float]:
    started = time.perf_counter(), processor_secs()
    work()
    return {
        "secs": time.perf_counter() - started[0],
        "cpu_secs": processor_secs() - started[1],
    }


def delivered(batches: Iterable) -> dict[str, Any]:
    """What batches hold: records, valid and padded steps, a sum of checksums in any order."""
    records = valid_steps = padded_steps = checksum = 0
    for signal, label, lengths in batches:
        signal, label, lengths = map(np.asarray, (signal, label, lengths))
        records += len(lengths)
        valid_steps += int(lengths.sum())
        padded_steps += signal.shape[0] * signal.shape[1]
        for row, labels, length in zip(signal, label.reshape(len(label), -1), lengths, strict=True):
            assert not row[length:].any()
            found = zlib.crc32(np.ascontiguousarray(labels[:length]), zlib.crc32(row[:length]))
            checksum = (checksum + found) % 2**64
    return {
        "records": records,
        "valid_steps": valid_steps,
        "padded_steps": padded_steps,
        "checksum": checksum,
        "dtype": str(signal.dtype),
    }


if __name__ == "__main__":
    main()

"""Flipped bits and truncations of a dataset: verify finds each, training stops or never sees it.

    python -m benchmarks.faults.bit_flips [--flips=1000] [--truncations=100] [--seed=0]

Converts a small set, then damages one file at a time: any file of the dataset folder, one bit or
the end of it. Counted as violations: damage that verify does not find, a false alarm of verify on
the restored folder, an epoch that is read to its end with other values than before, and an epoch
that stops without naming the shard and a record of it (for another file, that file).

Exits with 1 after a violation.
"""

from pipeline.console import quiet

quiet.start(gpu=False)

import argparse
import collections
import contextlib
import functools
import hashlib
import io
import pathlib
import re
import sys
import tempfile
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from benchmarks.harness.processes import print_table
from pipeline.batches.plan import BatchOptions
from pipeline.conversion.convert import main as convert
from tfrecords_schema.dataset import open_dataset
from tfrecords_schema.errors import DatasetError
from tfrecords_schema.verify import verify_dataset
from trainer.data.split_data import SplitData

_RECORD = re.compile(r"(\S+\.tfrecord-\S+): record '[^']+' at byte \d+ ")


def main(argv: list[str]) -> int:
    """Damages, verifies, reads, restores; prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--truncations", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    tf.get_logger().setLevel("ERROR")
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    rng = np.random.default_rng(args.seed)
    with tempfile.TemporaryDirectory() as name:
        dataset = _convert(pathlib.Path(name))
        opened = open_dataset(str(dataset))
        options = BatchOptions(batch_size=4, num_buckets=2)
        splits = [SplitData(opened, name, options) for name in sorted(opened.manifest.splits)]
        expected = _epoch(dataset, splits)
        files = sorted(path for path in dataset.iterdir() if path.stat().st_size)
        kinds = ["bit flipped"] * args.flips + ["cut short"] * args.truncations
        for number, kind in enumerate(kinds):
            outcome = functools.partial(_outcome, dataset, splits, expected)
            _damage(dataset, files[number % len(files)], kind, rng, outcome, counts)
        if list(verify_dataset(str(dataset))):
            counts["all", "VIOLATION: false alarm"] += 1
    return _report(counts)


def _convert(folder: pathlib.Path) -> pathlib.Path:
    inputs = folder / "inputs"
    inputs.mkdir()
    for number in range(24):
        rng = np.random.default_rng(number)
        steps = int(rng.integers(2, 9))
        signal = rng.standard_normal((steps, 3), np.float32)
        np.savez(inputs / f"r{number}.npz", signal=signal, label=np.array(f"class{number % 3}"))
    (inputs / "bad.npz").write_text("not an npz file")
    argv = ["--source=signals", f"--input_dir={inputs}", f"--output_dir={folder}", "--name=flips"]
    with contextlib.redirect_stdout(io.StringIO()):
        if convert([*argv, "--num_shards=4", "--splits=train=0.8,test=0.2"]):
            raise SystemExit("the conversion failed")
    return folder / "flips" / "1.0.0"


def _epoch(dataset: pathlib.Path, splits: list[SplitData]) -> str:
    """Hash of all that a training on every split is given, in one epoch.

    The splits were opened when the dataset was whole, as building a reader takes longer than an
    epoch of it; what a dataset that opens now says is the same, for its manifest is.
    """
    digest = hashlib.sha256()
    open_dataset(str(dataset))
    for split in splits:
        plan = split.plan(seed=1)
        batches, _ = split.batches(plan, tf.distribute.get_strategy())
        for _ in range(plan.num_steps):
            for key, value in sorted(next(batches).items()):
                digest.update(key.encode() + value.numpy().tobytes())
    return digest.hexdigest()


def _damage(
    dataset: pathlib.Path,
    path: pathlib.Path,
    kind: str,
    rng: np.random.Generator,
    outcome: Callable[[pathlib.Path], str],
    counts: collections.Counter[tuple[str, str]],
) -> None:
    content = path.read_bytes()
    position = int(rng.integers(len(content)))
    damaged = bytearray(content)
    damaged[position] ^= 1 << int(rng.integers(8))
    path.write_bytes(damaged if kind == "bit flipped" else content[:position])
    what = "shards" if ".tfrecord-" in path.name else path.name
    counts[what, kind] += 1
    found = any(path.name in problem for problem in verify_dataset(str(dataset)))
    counts[what, "found by verify" if found else "VIOLATION: not found by verify"] += 1
    counts[what, outcome(path)] += 1
    path.write_bytes(content)


def _outcome(
    dataset: pathlib.Path, splits: list[SplitData], expected: str, path: pathlib.Path
) -> str:
    try:
        is_same = _epoch(dataset, splits) == expected
    except DatasetError as error:
        named = _RECORD.search(str(error))
        if named:
            is_right = named[1] == str(path)
            return "training names shard and record" if is_right else "VIOLATION: wrong shard"
        is_named = path.name in str(error)
        return "training refuses, names the file" if is_named else "VIOLATION: nothing named"
    except (tf.errors.OpError, ValueError, OSError):
        return "VIOLATION: nothing named"
    return "training never reads it" if is_same else "VIOLATION: training on other values"


def _report(counts: collections.Counter[tuple[str, str]]) -> int:
    columns = ["bit flipped", "cut short", "found by verify", "training names shard and record",
               "training refuses, names the file", "training never reads it"]  # fmt: skip
    others = sorted({outcome for _, outcome in counts} - set(columns))
    files = sorted({what for what, _ in counts})
    rows = [[what, *(counts[what, column] for column in [*columns, *others])] for what in files]
    totals = [sum(row[i] for row in rows) for i in range(1, len(columns) + len(others) + 1)]
    print_table(("file", *columns, *others), [*rows, ["all", *totals]])
    return int(bool(others))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

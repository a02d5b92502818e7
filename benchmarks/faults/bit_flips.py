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

import collections
import contextlib
import hashlib
import io
import pathlib
import re
import sys

import numpy as np
import tensorflow as tf

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.processes import temporary_folder
from benchmarks.harness.tables import VIOLATION, Counts, report_by
from pipeline.batches.plan import BatchOptions
from pipeline.conversion.convert import main as convert
from pipeline.verification.verify import verify_dataset
from tfrecords_schema.dataset import open_dataset
from tfrecords_schema.errors import DatasetError
from trainer.data.split_data import SplitData

_COLUMNS = (
    "bit flipped",
    "cut short",
    "found by verify",
    "training names shard and record",
    "training refuses, names the file",
    "training never reads it",
)
_NOTHING_NAMED = f"{VIOLATION}nothing named"
_RECORD = re.compile(r"(\S+\.tfrecord-\S+): record '[^']+' at byte \d+ ")


def main(argv: list[str]) -> int:
    """Damages, verifies, reads, restores; prints the table."""
    args = parse_flags(__doc__, argv, flips=1000, truncations=100, seed=0)
    tf.get_logger().setLevel("ERROR")
    counts: dict[str, Counts] = collections.defaultdict(Counts)
    everything = Counts()
    rng = np.random.default_rng(args.seed)
    with temporary_folder() as folder:
        dataset = _convert(folder)
        opened = open_dataset(str(dataset))
        options = BatchOptions(batch_size=4, num_buckets=2)
        splits = [SplitData(opened, name, options) for name in sorted(opened.manifest.splits)]
        expected = _epoch(dataset, splits)
        files = sorted(path for path in dataset.iterdir() if path.stat().st_size)
        kinds = ["bit flipped"] * args.flips + ["cut short"] * args.truncations
        for number, kind in enumerate(kinds):
            path = files[number % len(files)]
            content = path.read_bytes()
            path.write_bytes(_damaged(content, kind, rng))
            is_found = any(path.name in problem for problem in verify_dataset(str(dataset)))
            found = "found by verify" if is_found else f"{VIOLATION}not found by verify"
            seen = [kind, found, _outcome(dataset, splits, expected, path)]
            path.write_bytes(content)
            counts["shards" if ".tfrecord-" in path.name else path.name].update(seen)
            everything.update(seen)
        everything.violation("false alarm", any(verify_dataset(str(dataset))))
    return report_by("file", {**dict(sorted(counts.items())), "all": everything}, _COLUMNS)


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


def _damaged(content: bytes, kind: str, rng: np.random.Generator) -> bytes:
    position, bit = int(rng.integers(len(content))), 1 << int(rng.integers(8))
    flipped = bytes([content[position] ^ bit])
    rest = flipped + content[position + 1 :] if kind == "bit flipped" else b""
    return content[:position] + rest


def _outcome(
    dataset: pathlib.Path, splits: list[SplitData], expected: str, path: pathlib.Path
) -> str:
    try:
        is_same = _epoch(dataset, splits) == expected
    except DatasetError as error:
        named = _RECORD.search(str(error))
        if named:
            is_right = named[1] == str(path)
            return "training names shard and record" if is_right else f"{VIOLATION}wrong shard"
        is_named = path.name in str(error)
        return "training refuses, names the file" if is_named else _NOTHING_NAMED
    except (tf.errors.OpError, ValueError, OSError):
        return _NOTHING_NAMED
    return "training never reads it" if is_same else f"{VIOLATION}training on other values"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

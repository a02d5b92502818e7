"""Object stores that fail: the same bytes and weights as on a local disk; and how fast they are.

    python -m benchmarks.faults.object_stores [--store=s3] [--recordings=40] [--failing=0.05]
        [--away_secs=2] [--mib=64] [--seed=0]

Converts to a local disk and to a store on this machine (`--store=gs`: Google's, which does not
fail), trains on each with the run folder beside it, goes on, evaluates, predicts, exports and
verifies. Meanwhile a share of the store's requests fails (500, 503), and every 10 s it is away for
a while. Counted as violations: a command that fails, a shard or an index with other bytes, weights
or predictions that are others. Then `--mib` of shards are written and fetched without failures.
Needs `pip install '.[test]'`. Exits with 1 after a violation.
"""

from pipeline.console import quiet

quiet.start(gpu=False)

import contextlib
import os
import pathlib
import re
import sys
import time
from collections.abc import Callable, Iterator

import fsspec
import keras
import numpy as np

from benchmarks.faults.power_cuts import write_recordings
from benchmarks.harness.flags import parse_flags
from benchmarks.harness.object_stores import S3, Gcs
from benchmarks.harness.processes import temporary_folder
from benchmarks.harness.tables import Counts, print_table
from pipeline.batches.shard_cache import DIR_VARIABLE
from pipeline.conversion.convert import main as convert
from pipeline.inspect.__main__ import main as inspect
from pipeline.verify import main as verify
from tfrecords_schema.places import gfile
from tfrecords_schema.storage import atomic_write, read
from trainer.__main__ import main as train

_MODEL = (
    "--model=resnet",
    "--depth=1",
    "--width=4",
    "--deterministic",
    "--batch_size=4",
    "--noreport",
)
_EVERY_SECS = 10.0
_SAME = (r".*\.tfrecord-.*", r"index\.parquet", r".*model-[0-9a-f]{12}\.npz", r"predictions-.*")
"""Names of files that must hold the same bytes; manifests have the place that was read from."""


def main(argv: list[str]) -> int:
    """Runs all, and prints two tables."""
    flags = {"store": "s3", "recordings": 40, "failing": 0.05, "away_secs": 2.0}
    args = parse_flags(__doc__, argv, **flags, mib=64, seed=0)
    counts = Counts()
    store = S3(args.seed) if args.store == "s3" else Gcs()
    with temporary_folder() as root:
        os.environ[DIR_VARIABLE] = str(root / "copies")
        write_recordings(root / "inputs", args.recordings)
        _send(root / "inputs", f"{store.url}/inputs")
        _do_all(str(root), counts, "local disk")
        with _failing(store, args.failing, args.away_secs, counts):
            _do_all(store.url, counts, args.store)
        _compare(str(root), store.url, counts)
        if isinstance(store, S3):
            counts["requests"], counts["requests that failed"] = store.asked, store.failed
        _show_speed(root, store.url, args.mib)
    return counts.report()


@contextlib.contextmanager
def _failing(store: S3 | Gcs, share: float, away_secs: float, counts: Counts) -> Iterator[None]:
    if isinstance(store, Gcs):
        yield
        return
    store.failing = share
    with store.restarted(_EVERY_SECS, away_secs) as stops:
        yield
    store.failing = 0.0
    counts["restarts of the store"] = len(stops)


def _send(folder: pathlib.Path, url: str) -> None:
    for path in folder.rglob("*.npz"):
        gfile.copy(str(path), f"{url}/{path.relative_to(folder)}")


def _do_all(root: str, counts: Counts, where: str) -> None:
    dataset, run_dir = f"{root}/out/d/1.0.0", f"{root}/run"
    conversion = (
        "--source=signals", "--label_regex=^([01])/", "--splits=test=6,validation=6,train=rest",
        "--num_shards=4", "--name=d", f"--input_dir={root}/inputs", f"--output_dir={root}/out",
    )  # fmt: skip
    training = (f"--dataset={dataset}", f"--run_dir={run_dir}", *_MODEL)
    own = f"--run_dir={run_dir}"
    commands: dict[str, Callable[[], int]] = {
        "convert": lambda: convert(conversion),
        "verify": lambda: verify([dataset]),
        "inspect": lambda: inspect([dataset]),
        "train": lambda: train([*training, "--epochs=2"]),
        "go on": lambda: train([*training, "--epochs=3", "--allow_changed=epochs"]),
        "evaluate": lambda: train([own, "--mode=evaluate", "--report"]),
        "predict": lambda: train(
            [own, "--mode=predict", f"--input_dir={root}/inputs", f"--output={root}/p.csv"]
        ),
        "export": lambda: train([own, "--mode=export"]),
    }
    for name, command in commands.items():
        keras.utils.clear_session()
        started = time.monotonic()
        status = command()
        print(f"{where}: {name} {time.monotonic() - started:.1f} s", flush=True)
        counts[f"commands on {where}"] += 1
        counts.violation(f"a command failed on {where}", int(status != 0))


def _compare(local: str, url: str, counts: Counts) -> None:
    for folder in ("out", "run"):
        ours, theirs = _files(f"{local}/{folder}"), _files(f"{url}/{folder}")
        counts.violation("another set of files", int(ours.keys() != theirs.keys()))
        for name in sorted(ours.keys() & theirs.keys()):
            if any(re.fullmatch(pattern, name.rpartition("/")[2]) for pattern in _SAME):
                same = _content(ours[name]) == _content(theirs[name])
                counts["files with the same bytes"] += same
                counts.violation("other bytes", int(not same))
                if not same:
                    print(f"other bytes in {name}", flush=True)


def _files(folder: str) -> dict[str, str]:
    """Paths of the files below, by what they are called there; events have times in their names."""
    return {
        name: found.path
        for found in gfile.files_below(folder)
        if "events" not in (name := found.path.removeprefix(folder).lstrip("/"))
    }


def _content(path: str) -> object:
    if not path.endswith(".npz"):
        return read(path)
    with gfile.open_file(path, "rb") as file, np.load(file) as arrays:  # Its zip has times.
        return {name: (arrays[name].shape, arrays[name].tobytes()) for name in arrays}


def _show_speed(root: pathlib.Path, url: str, mib: int) -> None:
    """Prints MiB/s of a large file on the disk, through the bare client, and through ours."""
    content = np.random.default_rng(0).bytes(mib << 20)
    client = fsspec.filesystem(url.partition("://")[0])
    bare, ours, local = f"{url}/speed/bare", f"{url}/speed/ours", str(root / "speed")

    def read_back(path: str) -> None:
        with gfile.open_file(path, "rb") as file:
            while file.read(16 << 20):
                pass

    rows = [
        ("local disk", _rate(mib, atomic_write, local, content), _rate(mib, read_back, local)),
        (
            "bare client",
            _rate(mib, client.pipe_file, bare, content),
            _rate(mib, client.cat_file, bare),
        ),
        ("ours", _rate(mib, atomic_write, ours, content), _rate(mib, read_back, ours)),
    ]
    print_table((f"MiB/s of {mib} MiB", "write", "read"), rows)


def _rate(mib: int, action: Callable[..., object], *args: object) -> str:
    started = time.monotonic()
    action(*args)
    return f"{mib / (time.monotonic() - started):.0f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

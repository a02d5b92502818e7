"""Seconds and memory of what comes before the first step, for very many records.

    python -m benchmarks.speed.planning_growth [--records=1000000,10000000,100000000] [--folder=F]
    python -m benchmarks.speed.planning_growth --dataset=DATASET

The first makes datasets, in `--folder` or where temporary files are; of 10^8 records the index
takes 2.2 GB there. The second looks at one, and prints JSON. One process does all parts, one after
the other. Memory is the most that it has during a part: of its own, and with what it has mapped of
files (.4 GB of TensorFlow's), which the kernel takes back when it needs to.
"""

import contextlib
import pathlib
import tempfile
import threading
import time
from collections.abc import Iterator

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.measure import kernel_kb
from benchmarks.harness.tables import print_table
from benchmarks.harness.worker import Worker, report

_FIGURES = ("seconds", "processor seconds", "own GB", "with files GB")
_STATUS, _EVERY_SECS = "/proc/self/status", 0.01
_REPLICAS = 4


def main() -> None:
    """Prints a row for each number of records and part."""
    args = parse_flags(__doc__, records="1000000,10000000,100000000", folder="", dataset="")
    if args.dataset:
        return _do_parts(args.dataset)
    from benchmarks.harness.linked_records import write_linked

    for count in map(int, args.records.split(",")):
        with tempfile.TemporaryDirectory(dir=args.folder or None) as folder:
            path = write_linked(folder, count).path
            with Worker(__spec__.name, f"--dataset={path}") as worker:
                parts = [worker.first]
                while parts[-1]["part"]:
                    parts.append(worker.step())
        rows = [[part["part"], *(f"{part[n]:.2f}" for n in _FIGURES)] for part in parts[:-1]]
        print_table((f"{count:,} records", *_FIGURES), rows)


def _do_parts(path: str) -> None:
    """Does and reports one part after the other."""
    with _part("start: TensorFlow"):
        from pipeline.batches.batch_reader import BatchReader
        from pipeline.batches.plan import BatchOptions, plan_epoch, with_partners
        from tfrecords_schema import open_dataset
    with _part("open"):
        dataset = open_dataset(path)
    with _part("load the index"):
        index = dataset.split("train")
    plans = {
        "at random, 32 records": BatchOptions(32, by_length=False),
        "by length, 4,000 steps": BatchOptions(None, 4000),
        "by length, 32 records": BatchOptions(32),
    }
    for name, options in plans.items():
        with _part(f"plan {name}"):
            plan = plan_epoch(index.steps, options, seed=0, epoch=0)
    with _part("plan not shuffled"):
        plan_epoch(index.steps, options, seed=0, epoch=0, shuffle=False)
    with _part("partners"):
        with_partners(plan, seed=0, epoch=0)
    with _part("first batch"):
        reader = BatchReader(dataset, "train", index=index)
        next(iter(reader.epoch(plan)))
    with _part("batch in the middle"):
        next(iter(reader.epoch(plan, start_step=plan.num_steps // 2)))
    with _part(f"first batch of {_REPLICAS} replicas"):
        reader = BatchReader(dataset, "train", index=index, num_replicas=_REPLICAS)
        next(iter(reader.epoch(plan)))
    report(part="")


@contextlib.contextmanager
def _part(name: str) -> Iterator[None]:
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # The peak begins anew.
    own, done = [kernel_kb(_STATUS, "RssAnon")], threading.Event()

    def look() -> None:
        while not done.wait(_EVERY_SECS):
            own.append(kernel_kb(_STATUS, "RssAnon"))

    looking = threading.Thread(target=look)
    looking.start()
    started = time.perf_counter(), time.process_time()
    yield
    secs = time.perf_counter() - started[0], time.process_time() - started[1]
    done.set()
    looking.join()
    figures = (*secs, max(own) / 1e6, kernel_kb(_STATUS, "VmHWM") / 1e6)
    report(part=name, **dict(zip(_FIGURES, figures, strict=True)))


if __name__ == "__main__":
    main()

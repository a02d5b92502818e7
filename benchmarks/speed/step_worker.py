"""Worker process: trains our signal model, a step whenever it is asked to.

python -m benchmarks.speed.step_worker --dataset=DATASET --precision=float32 [--records=0,1,2,3]
"""

import math
import time
from typing import Any

import numpy as np

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.measure import kernel_kb
from benchmarks.harness.recordings import record_id
from benchmarks.harness.worker import report, turns
from benchmarks.speed.planning import plan_bytes
from pipeline.batches.plan import EpochPlan
from tfrecords_schema import open_dataset
from trainer.data.split_data import SplitData, load_split
from trainer.distribution.strategy import configure, make_strategy
from trainer.models.signal import SignalModelOptions, build_signal_model
from trainer.options.options import DataOptions, RunOptions, TrainingOptions
from trainer.step.steps import Steps
from trainer.step.task import Task
from trainer.training.graphs import as_traced
from trainer.training.optimizers import make_optimizer

PUBLISHED = SignalModelOptions()
TINY = SignalModelOptions(conv_filters=(), conv_strides=(), rnn_units=(4,))


def main() -> None:
    """Trains, reporting the seconds of every step, input included, and the memory after it."""
    args = parse_flags(
        __doc__, dataset=str, precision="float32", batch_size=32, cpu_replicas=0, records="",
        tiny=False,
    )  # fmt: skip
    replicas = args.cpu_replicas if args.cpu_replicas > 1 else 0
    run = RunOptions(
        dataset=args.dataset, run_dir="unused", precision=args.precision, cpu_replicas=replicas
    )
    configure(run)
    strategy = make_strategy(run)
    dataset = open_dataset(args.dataset)
    assert dataset.schema.label is not None
    task = Task(dataset.schema.label)
    split = load_split(dataset, "train", DataOptions(batch_size=args.batch_size), task)
    with strategy.scope():
        options = TINY if args.tiny else PUBLISHED
        model = build_signal_model(options, dataset.schema.input, task.label)
        optimizer = make_optimizer(TrainingOptions(), 1)
        optimizer.build(model.trainable_variables)
    steps = Steps(strategy, model, optimizer, task)
    parameters = sum(math.prod(v.shape) for v in model.trainable_variables)
    with as_traced():
        _train(steps, split, strategy, parameters, args.records.split(",") if args.records else [])


def _train(
    steps: Steps, split: SplitData, strategy: Any, parameters: int, records: list[str]
) -> None:
    turn = turns()
    while True:
        plan = one_batch(split, records) if records else split.plan(seed=1)
        batches, spec = split.batches(plan, strategy)
        for step in range(plan.num_steps):
            next(turn)
            started = time.perf_counter(), time.process_time()
            steps.train(next(batches), spec)
            secs, cpu_secs = time.perf_counter() - started[0], time.process_time() - started[1]
            report(
                secs=secs,
                cpu_secs=cpu_secs,
                process_cpu_secs=time.process_time(),
                valid_steps=int(split.lengths[plan.rows(step)].sum()),
                steps_per_epoch=plan.num_steps,
                parameters=parameters,
                **_memory_mb(split, plan),
            )


def one_batch(split: SplitData, numbers: list[str]) -> EpochPlan:
    """The plan of these recordings as one batch."""
    row_of = {name: row for row, name in enumerate(split.index.ids())}
    rows = np.array([row_of[record_id(int(number))] for number in numbers], np.int32)
    lengths = split.lengths[rows]
    starts, padded = np.array([0, len(rows)], np.int32), np.array([lengths.max()], np.int32)
    return EpochPlan(rows, starts, padded, int(lengths.sum()))


def _memory_mb(split: SplitData, plan: EpochPlan) -> dict[str, float]:
    index = split.index
    index_bytes = index.steps.nbytes + index.shard.nbytes + index.offset.nbytes
    return {
        "resident_mb": kernel_kb("/proc/self/status", "VmRSS") / 1e3,
        "index_and_plan_mb": (index_bytes + plan_bytes(plan)) / 1e6,
    }


if __name__ == "__main__":
    main()

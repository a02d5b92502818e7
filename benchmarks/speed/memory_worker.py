"""Worker process: trains a tiny model on some batches of a dataset, reports its memory.

python -m benchmarks.speed.memory_worker --dataset=DATASET --steps=300
"""

import argparse
import pathlib

from pipeline.console import quiet

quiet.start(gpu=True)

import tensorflow as tf

from benchmarks.harness.worker import report, turns
from tfrecords_schema import open_dataset
from trainer.data.split_data import load_split
from trainer.models.signal import SignalModelOptions, build_signal_model
from trainer.options.options import DataOptions, TrainingOptions
from trainer.step.steps import Steps
from trainer.step.task import Task
from trainer.training.optimizers import make_optimizer

MODEL = SignalModelOptions(conv_filters=(), conv_strides=(), rnn_units=(4,))


def main() -> None:
    """Trains, then reports the greatest resident size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--steps", type=int, required=True)
    args = parser.parse_args()
    dataset = open_dataset(args.dataset)
    assert dataset.schema.label is not None
    task = Task(dataset.schema.label)
    split = load_split(dataset, "train", DataOptions(), task)
    model = build_signal_model(MODEL, dataset.schema.input, task.label)
    optimizer = make_optimizer(TrainingOptions(), 1)
    optimizer.build(model.trainable_variables)
    strategy = tf.distribute.get_strategy()
    steps = Steps(strategy, model, optimizer, task)
    plan = split.plan(seed=0)
    batches, spec = split.batches(plan, strategy)
    for _ in range(min(args.steps, plan.num_steps)):
        steps.train(next(batches), spec)
    index_bytes = split.index.steps.nbytes + split.index.shard.nbytes + split.index.offset.nbytes
    next(turns())
    report(
        peak_mb=_status_mb("VmHWM"),
        resident_mb=_status_mb("VmRSS"),
        index_and_plan_mb=(index_bytes + plan.nbytes) / 1e6,
    )


def _status_mb(key: str) -> float:
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith(key))


if __name__ == "__main__":
    main()

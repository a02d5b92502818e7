"""Trains on sets of several sizes, one after the other, on the replicas that the flags ask for.

A process of its own for each number of replicas, or through TF_CONFIG for each of several workers:
there can be one strategy in a process, and making its model takes longer than these trainings.
"""

import pathlib
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from pipeline.batches.plan import BatchOptions
from tfrecords_schema import Dataset, open_dataset
from trainer.data.split_data import SplitData
from trainer.distribution import cluster
from trainer.distribution.strategy import configure, make_strategy
from trainer.layers import PackSteps, UnpackSteps
from trainer.models.signal import SignalModelOptions, build_signal_model
from trainer.options.options import RunOptions, TrainingOptions
from trainer.runs.asked import asked
from trainer.session import open_data
from trainer.step.steps import Steps
from trainer.step.task import Task
from trainer.training.loop import Trainer
from trainer.training.optimizers import make_optimizer
from trainer.trials import settle

# Without a recurrence, which sees no other replica and takes most of the time to trace.
MODEL = SignalModelOptions(
    conv_filters=(3,), conv_kernel_samples=3, conv_strides=(2,), rnn_cell="none", dropout=0.0
)
TRAINING = TrainingOptions(
    epochs=2, learning_rate=0.05, optimizer="sgd", clip_norm=0.2, accumulate_batches=2,
    ema_momentum=0.5, monitor="nll",
)  # fmt: skip
CLASS_WEIGHTS = (1.0, 2.0, 0.5)
# Labels of which some are not known, the same without their steps, and those of which none is.
GAPS = ("gaps", "without", "nothing")


def main(arguments: Sequence[str | pathlib.Path]) -> int:
    """Trains the same model from its start on each dataset, in a run folder of the same name.

    Args:
      arguments: folder of datasets, folder of run folders, `--cpu_replicas=...`.
    """
    datasets, run_dirs, replicas = map(str, arguments)
    cpu_replicas = int(replicas.removeprefix("--cpu_replicas="))
    keras.utils.clear_session()
    run = RunOptions(dataset=datasets, run_dir=run_dirs, cpu_replicas=cpu_replicas)
    configure(run)
    strategy = make_strategy(run)
    folders = sorted(folder for folder in pathlib.Path(datasets).iterdir() if folder.name.isdigit())
    gaps = f"{datasets}/gaps"
    schema = open_dataset(str(folders[0] / "toy" / "1.0.0")).schema
    _try(str(folders[-1] / "toy" / "1.0.0"), f"{run_dirs}/choices-", strategy)
    with strategy.scope():
        model = build_signal_model(MODEL, schema.input, schema.label)
        optimizer = make_optimizer(TRAINING, batches_per_epoch=2)
        optimizer.build(model.trainable_variables)
        model.compile(optimizer=optimizer)
    steps = Steps(
        strategy, model, optimizer, Task(schema.label, CLASS_WEIGHTS),
        clip_norm=TRAINING.clip_norm, accumulate=True,
    )  # fmt: skip
    variables = [*model.variables, *optimizer.variables]
    start = [variable.numpy() for variable in variables]
    for folder in folders:
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)
        dataset = open_dataset(str(folder / "toy" / "1.0.0"))
        split = SplitData(dataset, "train", BatchOptions(batch_size=4, num_buckets=2))
        own_run = RunOptions(
            dataset=dataset.path, run_dir=f"{run_dirs}/{folder.name}", tensorboard=False
        )
        Trainer(
            model=model, steps=steps, strategy=strategy,
            train=split, validation=split, run=own_run, training=TRAINING,
            identity={},
        ).run()  # fmt: skip
    number = cluster.this_worker(strategy).number
    for name in GAPS:
        found = _without_context(open_dataset(f"{gaps}/{name}/1.0.0"), strategy)
        np.savez(f"{run_dirs}/{name}-{number}.npz", **found)
    cluster.end_together(strategy)
    return 0


def _without_context(dataset: Dataset, strategy: tf.distribute.Strategy) -> dict[str, np.ndarray]:
    """Sums of each step, and the weights after it, of a model that sees a step alone."""
    label = dataset.schema.label
    assert label is not None
    keras.utils.set_random_seed(0)
    with strategy.scope():
        signal = keras.Input((None, *dataset.schema.input.step_shape), name="signal")
        lengths = keras.Input((), dtype="int32", name="lengths")
        packed = keras.layers.Flatten()(PackSteps()(signal, lengths))
        outputs = UnpackSteps()(keras.layers.Dense(3)(packed), lengths, signal)
        model = keras.Model({"signal": signal, "lengths": lengths}, outputs)
        optimizer = keras.optimizers.SGD(0.5)
        optimizer.build(model.trainable_variables)
    steps = Steps(strategy, model, optimizer, Task(label, CLASS_WEIGHTS), clip_norm=5.0)
    split = SplitData(dataset, "train", BatchOptions(batch_size=3, num_buckets=1))
    batches, spec = split.batches(split.plan(), strategy)
    found = {}
    for number, batch in enumerate(batches):
        for name, pair in steps.train(batch, spec).sums.items():
            found[f"{name}-{number}"] = np.array(pair)
        for variable in model.variables:
            found[f"{variable.name}-{number}"] = variable.numpy()
    return found


def _try(dataset: str, path: str, strategy: tf.distribute.Strategy) -> None:
    """Writes what this worker takes trials for."""
    command = asked([f"--dataset={dataset}", f"--run_dir={path}run", "--kernel_groups=2"])
    settled, _ = settle(command, open_data(command), strategy)
    number = cluster.this_worker(strategy).number
    pathlib.Path(f"{path}{number}").write_text("\n".join(map(str, settled.choices)))

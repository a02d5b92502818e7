"""`python -m trainer --flagfile=...`: options, data, model, loop, evaluation, report."""

import signal
import sys
from collections.abc import Sequence

from pipeline.console import quiet
from trainer import arguments

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during imports: no traceback.
    arguments.make_parser().answer(sys.argv[1:])  # At once: TensorFlow takes seconds to import.
    quiet.start(gpu=True)

from absl import flags

from tfrecords_schema import Dataset, DatasetError, open_dataset
from trainer import command_line
from trainer.data.split_data import SplitData, class_weights, load_split
from trainer.distribution import cluster
from trainer.distribution.strategy import configure, make_strategy
from trainer.evaluation import evaluation
from trainer.models.build import ModelOptions, build_model
from trainer.models.forecast_options import ForecastOptions
from trainer.models.frame_options import FrameModelOptions
from trainer.models.signal_options import SignalModelOptions
from trainer.options import flags as option_flags
from trainer.options.options import (
    AFTER_TRAINING,
    PLACES,
    DataOptions,
    PredictOptions,
    RunOptions,
    TrainingOptions,
)
from trainer.runs import run_folder
from trainer.runs.checkpoints import load_trained
from trainer.serving import inference
from trainer.step.forecast import ForecastTask, forecast_label
from trainer.step.steps import Steps
from trainer.step.task import Task
from trainer.training import dry_run
from trainer.training.callbacks import make_callbacks
from trainer.training.feature_cache import open_cache
from trainer.training.loop import Trainer, better_mode
from trainer.training.optimizers import make_optimizer


def main(argv: Sequence[str]) -> int:
    """Trains, evaluates, predicts or exports as the flags say; returns the exit status."""
    return command_line.run(argv, _run)


def _run(values: flags.FlagValues) -> None:
    # ---- Options -------------------------------------------------------------------------
    run = option_flags.read(RunOptions, values)
    if run.mode != "train":
        option_flags.fill_in(run_folder.read_flags(run.run_dir), values, PLACES)
        run = option_flags.read(RunOptions, values)
    data = option_flags.read(DataOptions, values)
    training = option_flags.read(TrainingOptions, values)
    model_options = option_flags.read(SignalModelOptions, values)
    forecast = option_flags.read(ForecastOptions, values)
    frames = option_flags.read(FrameModelOptions, values)
    predict = option_flags.read(PredictOptions, values)
    predict.require_mode(run.mode)
    options = (run, data, training, model_options, frames, forecast)
    models = ModelOptions(model_options, frames, forecast)
    configure(run)
    if run.mode in AFTER_TRAINING:
        return inference.run(run, data, training, models, predict)

    # ---- Data ----------------------------------------------------------------------------
    dataset = open_dataset(run.dataset)
    label = dataset.schema.label
    if run.model == "forecaster":
        label = forecast_label(dataset.schema.input)
    if label is None:
        raise DatasetError(f"{run.dataset} has no labels; convert it with --label_key")
    weights = class_weights(dataset, label, data) if run.mode == "train" else None
    task = Task(label, weights, training.label_smoothing, training.class_activation)
    if run.model == "forecaster":
        task = ForecastTask(label, horizon_steps=forecast.horizon_steps)
    learnt = run_folder.LearntFrom.of(dataset)
    if run.mode == "evaluate":
        learnt = run_folder.LearntFrom.read(run.run_dir)
        run_folder.require_same_task(learnt, dataset)
    task.require_metric(training.monitor)
    if run.mode == "train":
        train: SplitData | None = load_split(dataset, data.train_split, data, task)
    else:
        train = _split_of_baseline(dataset, data, task)
    validation = _optional_split(dataset, data.validation_split, data, task)
    test = _optional_split(dataset, data.test_split, data, task)  # Not measured before the end.
    identity = run_folder.identity(options, dataset)
    if run.mode == "train" and not run.dry_run:
        run_folder.require_same_run(run, identity)

    # ---- Model ---------------------------------------------------------------------------
    strategy = make_strategy(run)
    with strategy.scope():
        spec = dataset.schema.input
        model, frame_model = build_model(run.model, models, spec, label, learnt.statistics)
        optimizer = make_optimizer(training, train.plan(seed=run.seed).num_steps if train else 1)
        optimizer.build(model.trainable_variables)
        model.compile(optimizer=optimizer)

    if train and run.dry_run:
        return print(dry_run.text(options, dataset, model, train, strategy))

    # ---- Features of frozen layers, computed once ------------------------------------------
    cache, computed = None, model
    with cluster.chief_first(strategy):
        if frame_model:
            cache = open_cache(
                run, frames, frame_model, dataset, evaluate_with=training.evaluate_with
            )
        if frame_model and cache:
            computed = frame_model.from_features
            if run.mode == "train":
                train = load_split(cache.dataset(data.train_split), data.train_split, data, task)
                if validation:
                    validation = load_split(
                        cache.dataset(validation.name), validation.name, data, task
                    )
    steps = Steps(
        strategy, computed, optimizer, task,
        clip_norm=training.clip_norm, accumulate=training.accumulate_batches > 1,
        jit_compile=run.jit_compile,
    )  # fmt: skip

    # ---- Loop ----------------------------------------------------------------------------
    worker = cluster.this_worker(strategy)
    if train and run.mode == "train":
        callbacks = make_callbacks(
            run, training, mode=better_mode(training.monitor), writes=worker.is_chief
        )
        trainer = Trainer(
            model=model, optimizer=optimizer, steps=steps, strategy=strategy,
            train=train, validation=validation, run=run, training=training,
            callbacks=callbacks, identity=identity,
        )  # fmt: skip
        trainer.resume()  # What it refuses leaves the run folder as it is.
        if worker.is_chief and not trainer.is_finished:
            run_folder.write(run.run_dir, options, dataset, model, train)
        trainer.run()

    # ---- Evaluation and report -----------------------------------------------------------
    if not worker.is_chief:
        return cluster.end_together(strategy)
    if training.evaluate_with == "best" or run.mode == "evaluate":
        load_trained(run.run_dir, training.evaluate_with, model)
    names = [split.name for split in (validation, test) if split]
    if not names:
        print(f"neither a validation nor a test split: evaluating split {data.train_split!r}")
        names = [data.train_split]
    for name in dict.fromkeys(names):
        split = load_split(cache.dataset(name) if cache else dataset, name, data, task)
        evaluation.run(
            steps, split, train,
            fingerprint=dataset.manifest.fingerprint, run_dir=run.run_dir,
        )  # fmt: skip
    if run.report:
        from trainer.report.report import write_report  # matplotlib is slow to import

        print(f"report: {write_report(run.run_dir, dataset, label)}")
    cluster.end_together(strategy)


def _split_of_baseline(dataset: Dataset, data: DataOptions, task: Task) -> SplitData | None:
    """The training split of an evaluation, which can do without it."""
    if not _has_records(dataset, data.train_split):
        return None
    try:
        return load_split(dataset, data.train_split, data, task)
    except DatasetError as error:
        print(f"no baseline of split {data.train_split!r}: {error}")
        return None


def _optional_split(
    dataset: Dataset, name: str | None, data: DataOptions, task: Task
) -> SplitData | None:
    if not name:
        return None
    is_named = name not in (DataOptions.validation_split, DataOptions.test_split)
    if is_named and name not in dataset.manifest.splits:
        dataset.split(name)  # It was named, so it should be there; says which there are.
    return load_split(dataset, name, data, task) if _has_records(dataset, name) else None


def _has_records(dataset: Dataset, split: str) -> bool:
    entry = dataset.manifest.splits.get(split)
    return entry is not None and entry.records > 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # In order with stderr.
    sys.exit(main(sys.argv[1:]))

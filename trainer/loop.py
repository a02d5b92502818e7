"""The training loop: epochs, steps, validation, callbacks, checkpoints.

`keras.Model.fit` is not used: it fails on several workers (keras#20585) and cannot resume
within an epoch. Keras callbacks run here all the same.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.plan import EpochPlan
from tfrecords_schema.names import atomic_write, join
from trainer.callbacks import callback_states, restore_callbacks
from trainer.checkpoints import Checkpoints, TrainingState, save
from trainer.data import SplitData
from trainer.epoch_stream import EpochStream
from trainer.optimizers import current_rate
from trainer.options import RunOptions, TrainingOptions
from trainer.progress import Progress
from trainer.run_folder import check_identity
from trainer.step import Steps
from trainer.task import means

_HIGHER_IS_BETTER = ("accuracy",)


class Trainer:
    """Trains one model on one split, validating on another, resuming where it was."""

    def __init__(
        self,
        *,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        steps: Steps,
        strategy: tf.distribute.Strategy,
        train: SplitData,
        validation: SplitData | None,
        run: RunOptions,
        training: TrainingOptions,
        callbacks: list[keras.callbacks.Callback],
        identity: dict[str, Any],
    ):
        self._model, self._optimizer, self._steps = model, optimizer, steps
        self._strategy, self._train, self._validation = strategy, train, validation
        self._run, self._training = run, training
        self._stream = EpochStream(train, strategy, seed=run.seed, epochs=training.epochs)
        self._callbacks = callbacks
        self._hooks = keras.callbacks.CallbackList(
            callbacks, model=model, epochs=training.epochs, verbose=0
        )
        self._checkpoints = Checkpoints(join(run.run_dir, "checkpoints"), training.keep_checkpoints)
        self._identity = identity
        self._progress = Progress(training.epochs)
        self.state = TrainingState(identity=identity)

    @property
    def variables(self) -> dict[str, list[keras.Variable]]:
        """All that a checkpoint holds."""
        return {"model": self._model.variables, "optimizer": self._optimizer.variables}

    def run(self) -> None:
        """Trains up to the last epoch; goes on from the newest checkpoint if there is one."""
        self._hooks.on_train_begin()
        self._resume()
        self._model.stop_training = getattr(self._model, "stop_training", False)
        while self.state.epoch < self._training.epochs and not self._model.stop_training:
            self._epoch()
        self._hooks.on_train_end()

    def _resume(self) -> None:
        restored = self._checkpoints.restore_latest(self.variables)
        _cut_history(self._history_path, restored.epoch if restored else 0)
        if restored is None:
            return
        check_identity(restored.identity, self._identity, self._run.allow_changed)
        self.state = restored
        self.state.identity = self._identity
        restore_callbacks(self._callbacks, restored.callbacks)
        self._model.stop_training = any(
            getattr(callback, "stopped_epoch", 0) for callback in self._callbacks
        )
        print(
            f"resuming at epoch {restored.epoch + 1}, step {restored.step} "
            f"(global step {restored.global_step})"
        )

    def _epoch(self) -> None:
        epoch = self.state.epoch
        plan = self._stream.plan(epoch)
        self._hooks.on_epoch_begin(epoch)
        timing = self._train_steps(plan)
        line = self._epoch_line(plan, timing)
        self._hooks.on_epoch_end(epoch, _logs(line))
        due = self._is_checkpoint_due()
        if due:
            self._keep_best(line)
        _append_history(self._history_path, line)
        self.state.epoch, self.state.step, self.state.sums = epoch + 1, 0, {}
        if due:
            self._save_checkpoint()
        epochs_left = self._training.epochs - self.state.epoch
        self._progress.epoch(epoch, line, timing.epoch_secs * epochs_left)

    def _train_steps(self, plan: EpochPlan) -> "_Timing":
        timing = _Timing()
        batches, spec = self._stream.batches(self.state.epoch, self.state.step)
        every = self._training.checkpoint_every_steps
        while self.state.step < plan.num_steps:
            batch = timing.wait_for(batches)
            self._hooks.on_train_batch_begin(self.state.step)
            self._count_step(plan, timing, self._steps.train(batch, spec))
            self._hooks.on_train_batch_end(self.state.step - 1)
            self._show(plan, timing)
            if every and self.state.global_step % every == 0 and self.state.step < plan.num_steps:
                self._save_checkpoint()
        return timing

    def _count_step(self, plan: EpochPlan, timing: "_Timing", sums: dict[str, tf.Tensor]) -> None:
        for name, pair in sums.items():
            self.state.sums[name] = _added(self.state.sums.get(name, [0.0, 0.0]), pair.numpy())
        timing.count(self._valid_steps(plan))
        self.state.step += 1
        self.state.global_step += 1

    def _show(self, plan: EpochPlan, timing: "_Timing") -> None:
        loss = means({"loss": self.state.sums["loss"]})["loss"]
        self._progress.step(
            self.state.epoch, self.state.step, plan.num_steps, loss, timing.train_secs
        )

    def _epoch_line(self, plan: EpochPlan, timing: "_Timing") -> dict[str, Any]:
        return {
            "epoch": self.state.epoch,
            "step": self.state.global_step,
            "seconds": round(timing.train_secs, 3),
            "learning_rate": current_rate(self._optimizer),
            "valid_steps_per_sec": timing.valid_steps_per_sec,
            "padding_share": plan.padding_share,
            "input_wait_share": timing.wait_secs / max(timing.steady_secs, 1e-9),
            "train": means(self.state.sums),
            "validation": self._validate(),
        }

    def _valid_steps(self, plan: EpochPlan) -> int:
        return int(self._train.lengths[plan.rows(self.state.step)].sum(dtype=np.int64))

    def _validate(self) -> dict[str, float] | None:
        if self._validation is None:
            return None
        return evaluate_sums(self._steps, self._validation, self._strategy)

    def _keep_best(self, line: dict[str, Any]) -> None:
        value = (line["validation"] or line["train"]).get(self._training.monitor)
        if value is None:
            raise ValueError(
                f"--monitor={self._training.monitor}: expected one of {', '.join(line['train'])}"
            )
        sign = -1.0 if better_mode(self._training.monitor) == "max" else 1.0
        if self.state.best is None or sign * value < sign * self.state.best:
            self.state.best = value
            best_state = TrainingState(
                epoch=line["epoch"] + 1, global_step=line["step"], best=value,
                identity=self._identity,
            )  # fmt: skip
            save(join(self._run.run_dir, "best"), best_state, {"model": self._model.variables})

    def _is_checkpoint_due(self) -> bool:
        """Whether the epoch that ends is one to keep; the last always is."""
        epoch = self.state.epoch + 1
        is_last = epoch >= self._training.epochs or self._model.stop_training
        return is_last or epoch % self._training.checkpoint_every_epochs == 0

    def _save_checkpoint(self) -> None:
        self.state.callbacks = callback_states(self._callbacks)
        self._checkpoints.save(self.state, self.variables)

    @property
    def _history_path(self) -> str:
        return join(self._run.run_dir, "metrics.jsonl")


def better_mode(metric: str) -> str:
    """`max` for metrics where more is better, else `min`."""
    return "max" if metric in _HIGHER_IS_BETTER else "min"


def evaluate_sums(
    steps: Steps, split: SplitData, strategy: tf.distribute.Strategy
) -> dict[str, float]:
    """Metrics of a whole split, over all replicas."""
    plan = split.plan(shuffle=False)
    batches, spec = split.batches(plan, strategy)
    sums: dict[str, list[float]] = {}
    for _ in range(plan.num_steps):
        for name, pair in steps.evaluate(next(batches), spec).items():
            sums[name] = _added(sums.get(name, [0.0, 0.0]), pair.numpy())
    return means(sums)


class _Timing:
    """Where the seconds of an epoch go.

    Attributes:
      train_secs: all seconds in training steps and waiting for their input.
      steady_secs: the same without the first step, which traces and fills the pipeline.
      wait_secs: of the steady seconds, those waiting for input.
      valid_steps: valid time steps trained on in the steady seconds.
    """

    def __init__(self) -> None:
        self.train_secs = self.steady_secs = self.wait_secs = 0.0
        self.valid_steps = 0
        self._calls = 0
        self._step_started = 0.0

    @property
    def epoch_secs(self) -> float:
        """What another epoch of as many steps would take, without tracing."""
        return (
            self.steady_secs * self._calls / (self._calls - 1)
            if self._calls > 1
            else self.train_secs
        )

    @property
    def valid_steps_per_sec(self) -> float:
        """Valid steps trained on per second; of an epoch of one step there is no steady part."""
        return self.valid_steps / max(self.steady_secs or self.train_secs, 1e-9)

    def wait_for(self, batches: Iterator[Any]) -> Any:
        self._step_started = time.monotonic()
        batch = next(batches)
        if self._calls:
            self.wait_secs += time.monotonic() - self._step_started
        return batch

    def count(self, valid_steps: int) -> None:
        secs = time.monotonic() - self._step_started
        self.train_secs += secs
        if self._calls:
            self.steady_secs += secs
        if self._calls == 1:
            self.valid_steps = 0  # those of the first step, kept for an epoch of one step
        self.valid_steps += valid_steps
        self._calls += 1


def _added(total: list[float], pair: np.ndarray) -> list[float]:
    return [total[0] + float(pair[0]), total[1] + float(pair[1])]


def _logs(line: dict[str, Any]) -> dict[str, float]:
    keys = ("learning_rate", "valid_steps_per_sec", "padding_share", "input_wait_share")
    validation = {f"val_{name}": value for name, value in (line["validation"] or {}).items()}
    return {**line["train"], **validation, **{key: line[key] for key in keys}}


def _cut_history(path: str, epochs: int) -> None:
    """Keeps the lines of the first epochs: those after the checkpoint are trained again."""
    if not tf.io.gfile.exists(path):
        return
    with tf.io.gfile.GFile(path) as file:
        lines = file.read().splitlines(keepends=True)[:epochs]
    atomic_write(path, "".join(lines).encode())


def _append_history(path: str, line: dict[str, Any]) -> None:
    with tf.io.gfile.GFile(path, "a") as file:
        file.write(json.dumps(line) + "\n")

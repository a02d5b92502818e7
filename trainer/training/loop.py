"""The training loop: epochs, steps, validation, callbacks, checkpoints.

`keras.Model.fit` is not used: it fails on several workers (keras#20585) and cannot resume
within an epoch. Keras callbacks run here all the same.
"""

import itertools
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from pipeline.batches.plan import EpochPlan
from pipeline.console.options import Effect
from pipeline.console.terminal import say
from tfrecords_schema.names import join
from trainer.data.epoch_stream import EpochStream
from trainer.data.split_data import SplitData
from trainer.distribution import cluster
from trainer.distribution.watchdog import Watchdog
from trainer.evaluation.evaluation import figure_of_split
from trainer.metrics.table import LOSS, better_mode, epoch_figures
from trainer.options.options import RunOptions, TrainingOptions
from trainer.runs.checkpoints import Checkpoints, TrainingState, save
from trainer.runs.identity import changed_options, check_identity, effects
from trainer.step.steps import Steps
from trainer.training import history
from trainer.training.callbacks import (
    MONITORED,
    callback_states,
    make_callbacks,
    restore_callbacks,
)
from trainer.training.divergence import DivergenceCheck, TrainingStep
from trainer.training.graphs import as_traced
from trainer.training.initial_bias import start_at_mean_label
from trainer.training.optimizers import current_rate, set_rate
from trainer.training.progress import Progress
from trainer.training.termination import StoppedError, Termination
from trainer.training.timing import Timing
from trainer.training.weight_average import averaged_weights, keep_average

# All workers agree on the time after every so many steps.
_CLOCK_STEPS = 4
# Labels that a model is fitted to before its first update; it takes as long as their cube.
_FITTED_LABELS = 4096


class Trainer:
    """Trains one model on one split, validating on another, resuming where it was.

    The model is compiled with its optimizer; the steps are of it, or of its part behind features.
    Callbacks come behind those that the options ask for; `loaded` are variables of another run.
    `unchanged` is asked after each step, and with `now=True` before a checkpoint; what it raises
    ends the training.
    """

    def __init__(
        self,
        *,
        model: keras.Model,
        steps: Steps,
        strategy: tf.distribute.Strategy,
        train: SplitData,
        validation: SplitData | None,
        run: RunOptions,
        training: TrainingOptions,
        identity: dict[str, Any],
        callbacks: Sequence[keras.callbacks.Callback] = (),
        fit: Callable[[Iterable[Any], int], float] | None = None,
        loaded: Sequence[keras.Variable] = (),
        unchanged: Callable[..., None] = lambda **_: None,
    ):
        self._unchanged = unchanged
        self._model, self._steps = model, steps
        model.stop_training = False  # Callbacks set it.
        self._fit, self._loaded = fit, loaded
        self._strategy, self._train, self._validation = strategy, train, validation
        self._run, self._training = run, training
        self._stream = EpochStream(train, strategy, seed=run.seed, epochs=training.epochs)
        self._worker = cluster.this_worker(strategy)
        mode = better_mode(training.monitor)
        own = make_callbacks(run, training, mode=mode, writes=self._worker.is_chief)
        self._callbacks = [*own, *callbacks]
        self._hooks = keras.callbacks.CallbackList(
            self._callbacks, model=model, epochs=training.epochs, verbose=0
        )
        self._checkpoints = Checkpoints(join(run.run_dir, "checkpoints"), training.keep_checkpoints)
        self._identity = identity
        self._divergence = DivergenceCheck(
            self.variables, train, run.run_dir, writes=self._worker.is_chief
        )
        self._progress = Progress(training.epochs)
        self._watchdog = Watchdog(self._worker, run.worker_timeout_secs)
        self._termination = Termination()
        self._stop_asked = self._save_due = False
        self._sign = -1.0 if mode == "max" else 1.0
        self._has_resumed = False
        self._seconds_before = 0.0
        self._last_monitored = self._sign * math.inf
        self.state = TrainingState(identity=identity)

    @property
    def is_finished(self) -> bool:
        """Whether no epoch is left to train."""
        done = self.state.epoch >= self._training.epochs or self._model.stop_training
        return done or self._time_share >= 1

    @property
    def _time_share(self) -> float:
        """The part of --max_minutes that has passed, without the step under way."""
        most = 60 * self._training.max_minutes
        return self.state.seconds / most if most else 0.0

    @property
    def variables(self) -> dict[str, list[keras.Variable]]:
        """All that a checkpoint holds."""
        return {"model": self._model.variables, "optimizer": self._model.optimizer.variables}

    def run(self) -> None:
        """Trains up to the last epoch, after `resume`.

        Raises:
          StoppedError: a worker was asked to stop; the checkpoint to go on from is written.
          DivergedError: NaN or infinity in loss, weights, batch statistics or optimizer.
          CheckpointError: like `resume`.
        """
        if not self._has_resumed:
            self.resume()
        with self._termination, self._watchdog, as_traced(self._strategy.num_replicas_in_sync):
            while not self.is_finished:
                self._epoch()
                self._stop_if_asked()
            self._stop_asked = cluster.total(self._strategy, self._termination.asked) > 0
            self._stop_if_asked()
        self._hooks.on_train_end()

    def resume(self) -> None:
        """Goes on from the newest checkpoint if there is one.

        Raises:
          CheckpointError: there are checkpoints, and none to go on from, or the run was another;
            nothing is written then.
          DatasetError: there is none, and a record read for the start is not what the index says.
        """
        self._has_resumed = True
        self._hooks.on_train_begin()
        restored = self._restore()
        if restored:
            check_identity(restored.identity, self._identity, self._run.allow_changed)
        if self._worker.is_chief:
            history.cut(self._history_path, restored.epoch if restored else 0)
        if restored is None:
            return self._start()
        self.state = restored
        self._apply_changes(restored)
        self._model.stop_training = any(
            getattr(callback, "stopped_epoch", 0) for callback in self._callbacks
        )
        if self._worker.is_chief:
            say(
                f"resuming at epoch {restored.epoch + 1}, step {restored.step} "
                f"(global step {restored.global_step})",
                sys.stderr,
            )

    def _start(self) -> None:
        plan = self._train.plan(seed=self._run.seed)
        start_at_mean_label(self._model, self._train, plan, self._loaded)
        if self._fit:
            self._fit(self._train.grouped(plan), _FITTED_LABELS)

    def _apply_changes(self, restored: TrainingState) -> None:
        """Lets options that differ from the checkpoint's have their effect."""
        found, self.state.identity = restored.identity, self._identity
        changed = set(changed_options(found, self._identity))
        known = effects(self._identity.get("model", ""))
        effect = {known.get(name, Effect.RESULT) for name in changed}
        if "learning_rate" in changed:
            set_rate(self._model.optimizer, self._training.learning_rate)
        if "dataset" not in changed and Effect.MEASURING not in effect:
            restore_callbacks(self._callbacks, restored.callbacks)
        else:
            self.state.best = None
        if ("dataset" in changed or Effect.PLAN in effect) and self.state.step:
            if self._worker.is_chief:
                say("the batches are other ones now, so the epoch begins anew")
            self.state.step, self.state.sums = 0, {}

    def _restore(self) -> TrainingState | None:
        """The newest whole checkpoint; on several workers the one that the chief found."""
        state = self._checkpoints.restore_latest(self.variables) if self._worker.is_chief else None
        step = cluster.from_chief(self._strategy, state.global_step if state else -1)
        if self._worker.is_chief or step < 0:
            return state
        return self._checkpoints.restore(step, self.variables)

    def _epoch(self) -> None:
        epoch = self.state.epoch
        plan = self._stream.plan(epoch)
        self._hooks.on_epoch_begin(epoch)
        timing = self._train_steps(plan)
        line = self._epoch_line(plan, timing)
        monitored = self._monitored(line)
        self._hooks.on_epoch_end(epoch, {**_logs(line), MONITORED: monitored})
        due = self._is_due(self._training.checkpoint_every_epochs)
        if due:
            self._divergence.check()
        if due and (line["validation"] or not self._validation):
            self._keep_best(line, monitored)
        if self._worker.is_chief:
            history.append(self._history_path, line)
        self.state.epoch, self.state.step, self.state.sums = epoch + 1, 0, {}
        if self.is_finished:
            keep_average(self._model)
        if due or self._stop_asked:
            self._save_checkpoint()
        epochs_left = self._training.epochs - self.state.epoch
        if self._worker.is_chief:
            self._progress.epoch(epoch, line, timing.left_secs(plan.num_steps * epochs_left))

    def _train_steps(self, plan: EpochPlan) -> Timing:
        most = 60 * self._training.max_minutes or math.inf
        timing = Timing(most - self.state.seconds)
        self._seconds_before = self.state.seconds
        self._skip_updates(plan)
        batches, spec = self._stream.batches(self.state.epoch, self.state.step)
        for step in self._steps_left(plan):
            batch = timing.wait_for(batches)
            self._hooks.on_train_batch_begin(step.number)
            with self._watchdog.step(self.state.global_step):
                result = self._steps.train(
                    batch,
                    spec,
                    epoch=step.epoch,
                    update=step.updates,
                    asked_to_stop=self._termination.asked,
                )
            timing.count(self._train.lengths[plan.rows(step.number)], compiled=result.compiled)
            self._count(step, result.sums)
            self._divergence.after_step(step, result.sums[LOSS])
            self._unchanged()
            self._hooks.on_train_batch_end(step.number)
            if self._worker.is_chief:
                self._progress.step(
                    step.epoch, step.number + 1, plan.num_steps, self.state.sums, timing
                )
            self._between_updates(step, result.asked_to_stop)
            if self._keep_time(plan, timing, step):
                break
        return timing

    def _keep_time(self, plan: EpochPlan, timing: Timing, step: TrainingStep) -> bool:
        """Takes the schedule as far as the time is; returns whether there is none left."""
        if not self._training.max_minutes:
            return False
        if step.global_number % _CLOCK_STEPS == 0 or step.is_last:
            millis = round(1000 * (self._seconds_before + timing.train_secs))
            self.state.seconds = cluster.from_chief(self._strategy, millis) / 1000
            self._skip_updates(plan)
        return self._time_share >= 1 and step.updates

    def _skip_updates(self, plan: EpochPlan) -> None:
        if clock := self._model.optimizer.clock:
            every = self._training.accumulate_batches
            in_all = self._training.epochs * math.ceil(plan.num_steps / every)
            clock.skip(max(0.0, self._time_share * in_all - self.state.global_step / every))

    def _steps_left(self, plan: EpochPlan) -> Iterator[TrainingStep]:
        """The steps of the epoch that are still to be done; every few change the weights."""
        epoch, done_before = self.state.epoch, self.state.global_step - self.state.step
        for number in range(self.state.step, plan.num_steps):
            done = number + 1
            is_last = done == plan.num_steps
            updates = is_last or done % self._training.accumulate_batches == 0
            rows = plan.rows_read(number)
            yield TrainingStep(epoch, number, done_before + done, rows, updates, is_last)

    def _count(self, step: TrainingStep, sums: dict[str, list[float]]) -> None:
        """From here on the step is done, for callbacks and for a checkpoint."""
        _add(self.state.sums, sums)
        self.state.step = step.number + 1
        self.state.global_step = step.global_number

    def _between_updates(self, step: TrainingStep, asked_to_stop: bool) -> None:
        """Saves where training stands if it is time to; kept gradients are in no checkpoint."""
        every = self._training.checkpoint_every_steps
        self._stop_asked |= asked_to_stop
        self._save_due |= self._stop_asked or bool(every and step.global_number % every == 0)
        if self._save_due and step.updates and not step.is_last:  # An epoch's end saves itself.
            self._save_checkpoint()
            self._stop_if_asked()

    def _stop_if_asked(self) -> None:
        if self._stop_asked:
            raise StoppedError(
                f"asked to stop: checkpoint written after epoch {self.state.epoch}, step "
                f"{self.state.step}; the same command goes on from there"
            )

    def _epoch_line(self, plan: EpochPlan, timing: Timing) -> dict[str, Any]:
        started = time.monotonic()
        with averaged_weights(self._model):
            validation = self._validate()
        return {
            "epoch": self.state.epoch,
            "step": self.state.global_step,
            "seconds": round(timing.train_secs, 3),
            "learning_rate": current_rate(self._model.optimizer),
            "valid_steps_per_sec": timing.valid_steps_per_sec,
            "padding_share": plan.padding_share,
            "input_wait_share": timing.input_wait_share,
            "train": epoch_figures(self.state.sums),
            "validation_seconds": round(time.monotonic() - started, 3),
            "validation": validation,
        }

    def _validate(self) -> dict[str, float] | None:
        """Figures of the whole validation split, over all replicas; None where it is not due."""
        if self._validation is None or not self._is_due(self._training.validate_every_epochs):
            return None
        plan = self._validation.plan(shuffle=False)
        batches, spec = self._validation.batches(plan, self._strategy)
        sums: dict[str, list[float]] = {}
        for batch in itertools.islice(batches, plan.num_steps):
            _add(sums, self._steps.evaluate(batch, spec))
        figures = epoch_figures(sums)
        if (name := self._training.monitor) not in figures:  # No batch can tell it.
            own = figure_of_split(name, self._steps, self._validation)
            figures[name] = cluster.total(self._strategy, own if self._worker.is_chief else 0.0)
        return figures

    def _monitored(self, line: dict[str, Any]) -> float:
        """What decides: of the training where nothing validates, the worst where it is no number.

        Nothing is better or worse than NaN, which would stay the best for ever.
        """
        if self._validation and not line["validation"]:
            return self._last_monitored
        value = (line["validation"] or line["train"])[self._training.monitor]
        self._last_monitored = value if math.isfinite(value) else self._sign * math.inf
        return self._last_monitored

    def _keep_best(self, line: dict[str, Any], monitored: float) -> None:
        if self.state.best is None or self._sign * monitored < self._sign * self.state.best:
            self.state.best = monitored
            best_state = TrainingState(
                epoch=line["epoch"] + 1, global_step=line["step"], best=monitored,
                identity=self._identity,
            )  # fmt: skip
            if self._worker.is_chief:
                with averaged_weights(self._model):
                    weights = {"model": self._model.variables}
                    save(join(self._run.run_dir, "best"), best_state, weights)

    def _is_due(self, every: int) -> bool:
        """Whether the epoch that ends is one of every so many; the last always is."""
        epoch = self.state.epoch + 1
        is_last = epoch >= self._training.epochs or self._model.stop_training
        is_last |= self._time_share >= 1
        return is_last or epoch % every == 0

    def _save_checkpoint(self) -> None:
        self._save_due = False
        self._unchanged(now=True)
        self._divergence.check()
        self.state.callbacks = callback_states(self._callbacks)
        if self._worker.is_chief:
            self._checkpoints.save(self.state, self.variables)

    @property
    def _history_path(self) -> str:
        return join(self._run.run_dir, "metrics.jsonl")


def _add(totals: dict[str, list[float]], sums: dict[str, list[float]]) -> None:
    for name, (value, weight) in sums.items():
        total = totals.get(name, [0.0, 0.0])
        totals[name] = [total[0] + value, total[1] + weight]


def _logs(line: dict[str, Any]) -> dict[str, float]:
    keys = ("learning_rate", "valid_steps_per_sec", "padding_share", "input_wait_share")
    validation = {f"val_{name}": value for name, value in (line["validation"] or {}).items()}
    return {**line["train"], **validation, **{key: line[key] for key in keys}}

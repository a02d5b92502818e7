"""Optimizer and learning rate from options."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from trainer.options.options import TrainingOptions
from trainer.training.few_operations import decay_at_one_rate, fuse_adam

# Part of the variables' paths in a checkpoint; Keras would count optimizers over the process.
_NAME = "optimizer"


def make_optimizer(options: TrainingOptions, batches_per_epoch: int) -> keras.optimizers.Optimizer:
    """Builds the optimizer; call it inside the strategy's scope.

    Its `clock` is the schedule that time can take ahead, or None.

    Args:
      options: kind, rate, schedule and decay.
      batches_per_epoch: those of the first epoch's plan, which scales the schedule.
    """
    steps_per_epoch = math.ceil(batches_per_epoch / options.accumulate_batches)
    rate = _learning_rate(options, steps_per_epoch)
    if options.max_minutes and not isinstance(rate, float):
        rate = Clocked(rate)
    decay = options.weight_decay or None
    common: dict[str, Any] = {"weight_decay": decay, "name": _NAME}
    if options.ema_momentum:
        common |= {"use_ema": True, "ema_momentum": options.ema_momentum}
    if options.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(rate, momentum=options.momentum, **common)
    else:
        optimizer = keras.optimizers.Adam(rate, **common)
        fuse_adam(optimizer)
    if decay:
        decay_at_one_rate(optimizer)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.clock = rate if isinstance(rate, Clocked) else None
    return optimizer


def slow_down(
    optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable], factor: float
) -> None:
    """Makes an optimizer change some variables at a share of its rate, by weight decay, too.

    Args:
      optimizer: built.
      variables: those; what is not trained is passed over.
      factor: share of the rate.
    """
    slower = {optimizer._var_key(variable) for variable in variables}
    update, decay, all_decay = (
        optimizer.update_step, optimizer._apply_weight_decay, optimizer.weight_decay
    )  # fmt: skip

    def is_slower(variable: Any) -> bool:
        return optimizer._var_key(variable) in slower

    def update_step(gradient: Any, variable: Any, learning_rate: Any) -> Any:
        return update(gradient, variable, learning_rate * (factor if is_slower(variable) else 1))

    def apply_weight_decay(trained: Sequence[keras.Variable]) -> None:
        for share, of_share in ((factor, True), (1, False)):
            optimizer.weight_decay = all_decay and all_decay * share
            decay([variable for variable in trained if is_slower(variable) == of_share])
        optimizer.weight_decay = all_decay

    optimizer.update_step, optimizer._apply_weight_decay = update_step, apply_weight_decay


class Clocked(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that time can take ahead: `ahead` updates are skipped."""

    def __init__(self, schedule: keras.optimizers.schedules.LearningRateSchedule):
        self._schedule = schedule
        self._ahead = tf.Variable(0.0, trainable=False, name="updates_skipped")

    def __call__(self, step: Any) -> Any:
        """The learning rate at an update."""
        return self._schedule(tf.cast(step, tf.float32) + self._ahead)

    def skip(self, updates: float) -> None:
        """Goes on as if so many more updates had been done."""
        self._ahead.assign(updates)


def current_rate(optimizer: keras.optimizers.Optimizer) -> float:
    """The learning rate of the next step."""
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))


def set_rate(optimizer: keras.optimizers.Optimizer, rate: float) -> None:
    """Replaces a constant rate, which a checkpoint holds; a schedule is no variable, and stays."""
    for variable in optimizer.variables:
        if variable.name == "learning_rate":
            variable.assign(rate)


def _learning_rate(
    options: TrainingOptions, steps_per_epoch: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    warmup_steps = round(options.warmup_epochs * steps_per_epoch)
    if options.lr_schedule == "constant" and not warmup_steps:
        return options.learning_rate
    floor = 0.0 if options.lr_schedule == "cosine" else 1.0
    start = 0.0 if warmup_steps else options.learning_rate
    return keras.optimizers.schedules.CosineDecay(
        start,
        decay_steps=max(1, options.epochs * steps_per_epoch - warmup_steps),
        alpha=floor,
        warmup_target=options.learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )

"""Forecasting as a task: the label is the end of the signal itself."""

import dataclasses
import functools
from collections.abc import Callable

import tensorflow as tf

from tfrecords_schema import DatasetError, InputSpec, LabelSpec, SplitIndex
from trainer.step.task import Batch, Task


@dataclasses.dataclass(frozen=True)
class ForecastTask(Task):
    """Predicts the last steps of every record from those before.

    Attributes:
      horizon_steps: how many.
    """

    horizon_steps: int = 150

    @property
    def preparation(self) -> Callable[[Batch], Batch]:
        """Cuts the horizon off; see `split_horizon`."""
        return functools.partial(split_horizon, horizon_steps=self.horizon_steps)

    def check_records(self, index: SplitIndex, split: str) -> None:
        """Checks that every record leaves at least one step to forecast from.

        Raises:
          DatasetError: if a record does not; the message has its id, its length and the flag.
        """
        shortest = int(index.steps.argmin())
        if index.steps[shortest] <= self.horizon_steps:
            raise DatasetError(
                f"record {index.ids([shortest])[0]!r} of split {split!r} has "
                f"{index.steps[shortest]} steps, expected more than --horizon_steps="
                f"{self.horizon_steps}; give a smaller one, or convert without short records"
            )


def forecast_label(input_spec: InputSpec) -> LabelSpec:
    """A forecast as a label: a sequence of the signal's own steps.

    Raises:
      DatasetError: if the input is no signal.
    """
    if input_spec.kind != "signal":
        raise DatasetError(f"--model=forecaster needs signals, the dataset has {input_spec.kind}")
    return LabelSpec("sequence", "value", "float32", input_spec.step_shape)


def split_horizon(batch: Batch, horizon_steps: int) -> Batch:
    """Cuts the last steps off every record and makes them its label.

    Args:
      batch: `signal` [batch, time, *step_shape] and `lengths` [batch], every length 0 (no record)
        or more than `horizon_steps`.
      horizon_steps: steps to cut off.

    Returns:
      The batch with `signal` [batch, time - horizon_steps, *step_shape] and `lengths` without
      those steps, `label` [batch, horizon_steps, *step_shape] float32 and `label_lengths` [batch]
      int32; zeros at padding and where there is no record.
    """
    signal, is_record = batch["signal"], batch["lengths"] > 0
    lengths = tf.maximum(batch["lengths"] - horizon_steps, 0)
    time = tf.shape(signal)[1]
    seen = signal[:, : tf.maximum(time - horizon_steps, 1)]
    ahead = tf.minimum(lengths[:, None] + tf.range(horizon_steps), time - 1)
    label = tf.cast(tf.gather(signal, ahead, batch_dims=1), tf.float32)
    return {
        **batch,
        "signal": _where(tf.sequence_mask(lengths, tf.shape(seen)[1]), seen),
        "lengths": lengths,
        "label": _where(is_record, label),
        "label_lengths": tf.where(is_record, horizon_steps, 0),
    }


def _where(condition: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """`values` where the condition on their leading axes holds, zeros elsewhere."""
    trailing = [1] * (len(values.shape) - len(condition.shape))
    condition = tf.reshape(condition, tf.concat([tf.shape(condition), trailing], 0))
    return tf.where(condition, values, tf.zeros_like(values))

"""Stops a training that diverged before a checkpoint of it is written; says what it learnt from.

The loss is looked at after every step, as it is on the host anyway. Weights, batch statistics and
the optimizer's state are reduced to one truth value every 100 steps and before every checkpoint:
that they can be off for longer is why the message names a range of steps.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from pipeline.console import exit_codes
from tfrecords_schema.errors import UserError
from tfrecords_schema.names import join
from tfrecords_schema.places import gfile
from tfrecords_schema.storage import atomic_write
from trainer.data.split_data import SplitData

DIVERGENCE = "divergence.json"
_CHECK_STEPS = 100  # Reading all variables once takes less than a step does.
_SHOWN_RECORDS = 8
_SHOWN_VARIABLES = 3


class DivergedError(UserError):
    """NaN or infinity in loss, weights, batch statistics or optimizer."""

    exit_status = exit_codes.DIVERGED


class TrainingStep(NamedTuple):
    """One step of a training, as it is planned.

    Attributes:
      epoch: from 0.
      number: in its epoch, from 0.
      global_number: over all epochs, from 1.
      rows: of its records, and of their partners, in the split's index.
      updates: whether the weights change, or the gradients are kept for the next update.
      is_last: whether it ends the epoch.
    """

    epoch: int
    number: int
    global_number: int
    rows: np.ndarray
    updates: bool
    is_last: bool


class DivergenceCheck:
    """Looks for NaN and infinity; keeps the rows of the steps since the last time all was well."""

    def __init__(
        self,
        variables: Mapping[str, Sequence[keras.Variable]],
        split: SplitData,
        run_dir: str,
        *,
        writes: bool = True,
    ):
        """Prepares.

        Args:
          variables: all that a checkpoint holds.
          split: what is trained on.
          run_dir: where `divergence.json` goes.
          writes: whether this worker writes it.
        """
        self._variables = [
            variable
            for group in variables.values()
            for variable in group
            if tf.as_dtype(variable.dtype).is_floating
        ]
        self._split, self._run_dir, self._writes = split, run_dir, writes
        self._steps: list[TrainingStep] = []
        self._all_finite = tf.function(self._reduce, autograph=False)

    def after_step(self, step: TrainingStep, loss: Sequence[float]) -> None:
        """Looks at the loss of a step, and now and then at the variables.

        Args:
          step: that was done.
          loss: weighted sum and sum of weights.

        Raises:
          DivergedError: something is not finite.
        """
        self._steps.append(step)
        if not all(map(math.isfinite, loss)):
            self._stop(f"the loss is {loss[0]:g} at step {step.global_number}")
        if step.global_number % _CHECK_STEPS == 0:
            self.check()

    def check(self) -> None:
        """Looks at all variables.

        Raises:
          DivergedError: one of them is not finite.
        """
        if not self._all_finite():
            names = [v.path for v in self._variables if not np.isfinite(v.numpy()).all()]
            more = f" and {len(names) - _SHOWN_VARIABLES} more" * (len(names) > _SHOWN_VARIABLES)
            self._stop(f"not finite: {', '.join(names[:_SHOWN_VARIABLES])}{more}")
        self._steps.clear()

    def _reduce(self) -> tf.Tensor:
        finite = [tf.reduce_all(tf.math.is_finite(v.value)) for v in self._variables]
        return tf.reduce_all(tf.stack(finite)) if finite else tf.constant(True)

    def _stop(self, what: str) -> None:
        index, steps = self._split.index, self._steps
        rows = sorted({row for step in steps for row in step.rows.tolist()})
        ids, sources = (
            dict(zip(rows, names, strict=True)) for names in (index.ids(rows), index.sources(rows))
        )
        batches = [
            {
                "step": step.global_number,
                "epoch": step.epoch,
                "records": [{"id": ids[row], "source": sources[row]} for row in step.rows.tolist()],
            }
            for step in steps
        ]
        path = join(self._run_dir, DIVERGENCE)
        if self._writes:
            gfile.makedirs(self._run_dir)
            content = {"what": what, "batches": batches}
            atomic_write(path, (json.dumps(content, indent=1) + "\n").encode())
        last = steps[-1].rows.tolist() if steps else []
        shown = ", ".join(f"{ids[row]} ({sources[row]})" for row in last[:_SHOWN_RECORDS])
        more = ", ..." if len(last) > _SHOWN_RECORDS else ""
        numbers = [step.global_number for step in steps]
        span = f"steps [{numbers[0]}, {numbers[-1]}]" if numbers else "the state restored"
        raise DivergedError(
            f"training became nan or inf within {span}: {what}. Records of the last of these "
            f"steps: {shown}{more}; those of all of them are in {path}. No checkpoint was written "
            "since. Look at these records, lower --learning_rate, or set --clip_norm"
        )

"""One training step, exact on any number of replicas.

The loss of a global batch is the sum of weighted losses over the sum of weights, both over
all replicas. Gradients are summed over replicas once, clipped as a whole and applied once.
"""

import contextlib
import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from trainer.metrics.table import LOSS
from trainer.step.task import Batch, Sums, Task, inputs_of


class StepResult(NamedTuple):
    """What a step of all replicas says.

    Attributes:
      sums: name to [weighted sum, sum of weights] over all replicas; see `Task.sum_names`.
      asked_to_stop: whether any worker was asked to stop; the same on all of them.
      compiled: whether the step had to be traced, or with XLA compiled for a new shape.
    """

    sums: dict[str, list[float]]
    asked_to_stop: bool
    compiled: bool


class GradientSums:
    """Gradients and the weight of losses, kept on each replica until the next update."""

    def __init__(self, variables: list[keras.Variable]):
        self._kept = [_own(tf.zeros(v.shape, v.dtype)) for v in variables] + [_own(tf.zeros([]))]

    def add(self, values: list[tf.Tensor]) -> None:
        """Adds those of one batch of this replica, the weight last."""
        for kept, value in zip(self._kept, values, strict=True):
            kept.assign_add(value)

    def take(self, values: list[tf.Tensor]) -> list[tf.Tensor]:
        """Those of the last batch with all that was kept, of which nothing is left."""
        self.add(values)
        sums = [tf.identity(kept) for kept in self._kept]
        with tf.control_dependencies(sums):
            for kept in self._kept:
                kept.assign(tf.zeros_like(kept))
        return sums


def _own(value: tf.Tensor) -> tf.Variable:
    """A variable of which each replica has its own value."""
    return tf.Variable(
        value,
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.SUM,
    )


def _nothing(batch: Batch, epoch: tf.Tensor) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext()


class Steps:
    """Compiled training and evaluation steps of one model under one strategy."""

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        task: Task,
        *,
        members: keras.Model | None = None,
        augment: Callable[[Batch, tf.Tensor], Batch] | None = None,
        drawing: Callable[[Batch, tf.Tensor], contextlib.AbstractContextManager[None]] = _nothing,
        clip_norm: float = 0.0,
        accumulate: bool = False,
        jit_compile: bool = False,
    ):
        self._strategy = strategy
        self._model = model
        self._members = members
        self._augment = augment
        self._drawing = drawing
        self._optimizer = reduced_once(optimizer)
        self._task = task
        # Parts of a batch that the model reads: signal or frames, lengths, perhaps more.
        self._inputs = [tensor.name for tensor in model.inputs]
        self._specs = {x.name: tf.TensorSpec(x.shape, x.dtype) for x in model.inputs}
        self._clip_norm = clip_norm
        self._jit_compile = jit_compile
        self._predict = self._predicting(task)
        self._compiled: dict[str, Any] = {}
        self._met: set[Any] = set()  # What has been compiled already.
        with strategy.scope():
            self._kept = GradientSums(model.trainable_variables) if accumulate else None

    @property
    def task(self) -> Task:
        """What is predicted, and how outputs are read."""
        return self._task

    def with_task(self, task: Task) -> "Steps":
        """Steps of the same model that predict as this task says."""
        steps = copy.copy(self)
        steps._task, steps._predict = task, self._predicting(task)
        return steps

    def _predicting(self, task: Task) -> Callable[[Batch], tf.Tensor]:
        """Of what the model reads alone: one trace serves batches of all kinds and shapes."""
        return tf.function(
            lambda inputs: task.predictions(self._model(inputs, training=False)),
            input_signature=[self._specs],
            autograph=False,
        )

    def train(
        self,
        batch: Any,
        element_spec: Any,
        *,
        epoch: int = 0,
        update: bool = True,
        asked_to_stop: bool = False,
    ) -> StepResult:
        """Trains on one global batch.

        Args:
          batch: one global batch.
          element_spec: of one replica's batch.
          epoch: that it belongs to, for augmentations.
          update: whether the weights change; if not, the gradients are kept for the next update,
            for which the steps must have been built with `accumulate`.
          asked_to_stop: whether this worker was asked to; the result tells all of them.
        """
        replica_fn = self._update_replica if update else self._accumulate_replica
        if not self._model.trainable_variables:
            replica_fn = self._evaluate_replica  # All of it is fitted already.
        return self._call(replica_fn, batch, element_spec, asked_to_stop, epoch)

    def evaluate(self, batch: Any, element_spec: Any) -> dict[str, list[float]]:
        """Metric sums of one global batch over all replicas."""
        return self._call(self._evaluate_replica, batch, element_spec).sums

    def predict(self, batch: Batch) -> tf.Tensor:
        """Predictions of one ordinary batch, computed by one replica."""
        inputs = inputs_of(batch, self._inputs)
        return self._predict(
            {name: tf.cast(x, self._specs[name].dtype) for name, x in inputs.items()}
        )

    def _call(
        self,
        replica_fn: Callable[[Batch, tf.Tensor], Sums],
        batch: Any,
        spec: Any,
        stop: bool = False,
        epoch: int = 0,
    ) -> StepResult:
        name = replica_fn.__name__
        if name not in self._compiled:
            # With free batch and time axes in the signature one trace serves every bucket.
            self._compiled[name] = tf.function(
                lambda batch, stop, epoch: self._on_replicas(replica_fn, batch, stop, epoch),
                input_signature=[spec, tf.TensorSpec([]), tf.TensorSpec([], tf.int64)],
                autograph=False,
            )
        compiled = self._is_new(name, batch)
        flags = tf.constant(float(stop)), tf.constant(epoch, tf.int64)
        *sums, stops = self._compiled[name](batch, *flags).numpy().tolist()
        named = dict(zip(self._task.sum_names, sums, strict=True))
        return StepResult(named, asked_to_stop=stops[0] > 0, compiled=compiled)

    def _is_new(self, name: str, batch: Any) -> bool:
        """Whether a function meets a batch that it has not been compiled for."""
        key: tuple[Any, ...] = (name,)
        if self._jit_compile:
            parts = tf.nest.flatten(batch, expand_composites=True)
            key = (name, *(tuple(part.shape) for part in parts))
        is_new = key not in self._met
        self._met.add(key)
        return is_new

    def _on_replicas(
        self,
        replica_fn: Callable[[Batch, tf.Tensor], Sums],
        batch: Any,
        stop: tf.Tensor,
        epoch: tf.Tensor,
    ) -> tf.Tensor:
        """`[sums + 1, 2]`: what the replicas return, added up; the last row, who asked to stop."""

        def run(own: Batch, stop: tf.Tensor, epoch: tf.Tensor) -> tf.Tensor:
            sums = replica_fn(own, epoch)
            rows = [sums[name] for name in self._task.sum_names]
            # All in one tensor: a reduction of its own for each would cost a round trip.
            return _added_up(tf.stack([*rows, tf.stack([stop, stop])]))

        compiled = tf.function(run, jit_compile=True, autograph=False) if self._jit_compile else run
        added = self._strategy.run(compiled, args=(batch, stop, epoch))
        return self._strategy.experimental_local_results(added)[0]

    def _update_replica(self, batch: Batch, epoch: tf.Tensor) -> Sums:
        gradients, sums = self._gradients(batch, epoch)
        if self._kept is not None:
            gradients = self._kept.take(gradients)
        *summed, weight = _added_up(gradients)
        self._apply([tf.math.divide_no_nan(g, weight) for g in summed])
        return sums

    def _accumulate_replica(self, batch: Batch, epoch: tf.Tensor) -> Sums:
        gradients, sums = self._gradients(batch, epoch)
        if self._kept is None:
            raise ValueError("a step without update needs Steps(accumulate=True)")
        self._kept.add(gradients)
        return sums

    def _gradients(self, batch: Batch, epoch: tf.Tensor) -> tuple[list[tf.Tensor], Sums]:
        """Gradients of this replica's sum of weighted losses and that sum's weight; all sums."""
        if self._augment:
            batch = self._augment(batch, epoch)
        variables = [v.value for v in self._model.trainable_variables]
        with self._drawing(batch, epoch), tf.GradientTape() as tape:
            outputs, apart = self._training_outputs(batch)
            losses = [self._task.loss_sum(batch, each) for each in apart]
            loss_sum = tf.add_n([loss[0] for loss in losses])
        loss = self._task.loss_sum(batch, outputs) if self._members else losses[0]
        gradients = tape.gradient(loss_sum, variables, unconnected_gradients="zero")
        sums = {LOSS: loss, **self._task.metric_sums(batch, outputs)}
        return [*gradients, loss[1]], sums

    def _apply(self, gradients: list[tf.Tensor]) -> None:
        """Updates the weights with the gradients of the mean loss, equal on all replicas."""
        variables = self._model.trainable_variables
        if self._model.losses:
            gradients = [g + p for g, p in zip(gradients, self._of_penalty(), strict=True)]
        if self._clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self._clip_norm)
        self._optimizer.apply(gradients, variables)

    def _of_penalty(self) -> list[tf.Tensor]:
        """Gradients of the regularization, which is the same on all replicas."""
        variables = [v.value for v in self._model.trainable_variables]
        with tf.GradientTape() as tape:
            penalty = tf.add_n(self._model.losses)
        return tape.gradient(penalty, variables, unconnected_gradients="zero")

    def _evaluate_replica(self, batch: Batch, epoch: tf.Tensor) -> Sums:
        outputs = self._outputs(batch, training=False)
        loss = self._task.loss_sum(batch, outputs)
        return {LOSS: loss, **self._task.metric_sums(batch, outputs)}

    def _training_outputs(self, batch: Batch) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Outputs of the model, and those whose losses are added up: its members', or the same."""
        if self._members is None:
            outputs = self._outputs(batch, training=True)
            return outputs, [outputs]
        inputs = inputs_of(batch, self._inputs)
        mean, *apart = self._members(inputs, training=True)
        return mean, apart

    def _outputs(self, batch: Batch, training: bool) -> tf.Tensor:
        return self._model(inputs_of(batch, self._inputs), training=training)


def _added_up(values: Any) -> Any:
    """A tensor, or each of a list, added up over the replicas, on each of them."""
    replicas = tf.distribute.get_replica_context()
    if replicas.num_replicas_in_sync == 1:  # Else three operations for each tensor.
        return values
    return replicas.all_reduce(tf.distribute.ReduceOp.SUM, values)


def reduced_once(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Makes an optimizer apply gradients as they are, without summing them over replicas again.

    Keras 3 sums gradients inside `apply` when called in a replica (keras.src.backend.tensorflow.
    optimizer, `_all_reduce_sum_gradients`); clipping the sum has to happen before that.
    """
    optimizer._all_reduce_sum_gradients = list
    return optimizer

"""One training step, exact on any number of replicas.

The loss of a global batch is the sum of weighted losses over the sum of weights, both over
all replicas. Gradients are summed over replicas once, clipped as a whole and applied once.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from trainer.task import Batch, Sums, Task


class Steps:
    """Compiled training and evaluation steps of one model under one strategy."""

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        task: Task,
        *,
        clip_norm: float = 0.0,
        jit_compile: bool = False,
    ):
        self._strategy = strategy
        self._model = model
        self._optimizer = reduced_once(optimizer)
        self._task = task
        # Parts of a batch that the model reads: signal or frames, lengths, perhaps more.
        self._inputs = [tensor.name for tensor in model.inputs]
        self._clip_norm = clip_norm
        self._jit_compile = jit_compile
        self._compiled: dict[str, Any] = {}

    def train(self, batch: Any, element_spec: Any) -> Sums:
        """Trains on one global batch; returns metric sums over all replicas."""
        return self._call("train", self._train_replica, batch, element_spec)

    def evaluate(self, batch: Any, element_spec: Any) -> Sums:
        """Metric sums of one global batch over all replicas."""
        return self._call("evaluate", self._evaluate_replica, batch, element_spec)

    def predict(self, batch: Batch) -> tf.Tensor:
        """Predictions of one ordinary batch, computed by one replica."""
        if "predict" not in self._compiled:
            self._compiled["predict"] = tf.function(self._predict_batch, reduce_retracing=True)
        return self._compiled["predict"](batch)

    @property
    def traces(self) -> int:
        """How often the training step was traced."""
        function = self._compiled.get("train")
        return 0 if function is None else function.experimental_get_tracing_count()

    def _call(self, name: str, replica_fn: Callable[..., Sums], batch: Any, spec: Any) -> Sums:
        if name not in self._compiled:
            # With free batch and time axes in the signature one trace serves every bucket.
            self._compiled[name] = tf.function(
                lambda batch: self._reduced(replica_fn, batch), input_signature=[spec]
            )
        return self._compiled[name](batch)

    def _reduced(self, replica_fn: Callable[..., Sums], batch: Any) -> Sums:
        run = tf.function(replica_fn, jit_compile=True) if self._jit_compile else replica_fn
        sums = self._strategy.run(run, args=(batch,))
        return {
            name: self._strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None)
            for name, value in sums.items()
        }

    def _train_replica(self, batch: Batch) -> Sums:
        context = tf.distribute.get_replica_context()
        variables = self._model.trainable_variables
        total_weight = context.all_reduce(
            tf.distribute.ReduceOp.SUM, tf.reduce_sum(self._task.loss_weights(batch))
        )
        with tf.GradientTape() as tape:
            outputs = self._outputs(batch, training=True)
            loss = self._task.loss_sum(batch, outputs)
            objective = tf.math.divide_no_nan(loss[0], total_weight)
            objective += self._regularization() / context.num_replicas_in_sync
        gradients = tape.gradient(objective, [v.value for v in variables])
        self._apply(context, gradients, variables)
        return {"loss": loss, **self._task.metric_sums(batch, outputs)}

    def _apply(self, context: Any, gradients: list, variables: list) -> None:
        pairs = [(g, v) for g, v in zip(gradients, variables, strict=True) if g is not None]
        summed = context.all_reduce(tf.distribute.ReduceOp.SUM, [g for g, _ in pairs])
        if self._clip_norm:
            summed, _ = tf.clip_by_global_norm(summed, self._clip_norm)
        self._optimizer.apply(summed, [v for _, v in pairs])

    def _evaluate_replica(self, batch: Batch) -> Sums:
        outputs = self._outputs(batch, training=False)
        return {
            "loss": self._task.loss_sum(batch, outputs),
            **self._task.metric_sums(batch, outputs),
        }

    def _predict_batch(self, batch: Batch) -> tf.Tensor:
        return self._task.predictions(self._outputs(batch, training=False))

    def _outputs(self, batch: Batch, training: bool) -> tf.Tensor:
        inputs = {name: batch[name] for name in self._inputs}
        return self._model(inputs, training=training)

    def _regularization(self) -> tf.Tensor:
        losses = self._model.losses
        return tf.add_n(losses) if losses else tf.constant(0.0)


def reduced_once(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Makes an optimizer apply gradients as they are, without summing them over replicas again.

    Keras 3 sums gradients inside `apply` when called in a replica (keras.src.backend.tensorflow.
    optimizer, `_all_reduce_sum_gradients`); clipping the sum has to happen before that.
    """
    optimizer._all_reduce_sum_gradients = list
    return optimizer

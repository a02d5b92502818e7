"""Updates in few operations, where Keras takes many for each variable.

Tracing a step and preparing its graph takes as long as it has operations, and of those of a deep
network more than half were the optimizer's: 35 of Adam for each variable, and the whole schedule of
the learning rate again for each that decays. Variables and configuration stay Keras' own, so
checkpoints and files are the same.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


def fuse_adam(optimizer: keras.optimizers.Adam) -> None:
    """Makes Adam (Kingma and Ba 2015, arXiv 1412.6980) update a variable by TensorFlow's kernel.

    That computes the same in the same order, but for 1 - beta, which it has in float32.
    """
    update_all = optimizer._backend_update_step
    fixed: dict[str, tf.Tensor] = {}

    def update_step(gradient: Any, variable: Any, corrected_rate: Any) -> None:
        at = optimizer._get_variable_index(variable)
        mean, square = optimizer._momentums[at], optimizer._velocities[at]
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle, m=mean.value.handle, v=square.value.handle,
            lr=corrected_rate, grad=tf.cast(gradient, variable.dtype), **fixed,
        )  # fmt: skip

    def update(gradients: Sequence[Any], variables: Sequence[Any], rate: Any) -> None:
        # What is the same for all variables is said once; the rate is corrected for all at once.
        given = {"beta1": optimizer.beta_1, "beta2": optimizer.beta_2, "epsilon": optimizer.epsilon}
        given |= {"beta1_power": 0.0, "beta2_power": 0.0}
        fixed.update({name: tf.constant(number) for name, number in given.items()})
        step = tf.cast(optimizer.iterations + 1, tf.float32)
        of_mean, of_square = (1 - beta**step for beta in (optimizer.beta_1, optimizer.beta_2))
        update_all(gradients, variables, tf.cast(rate, tf.float32) * tf.sqrt(of_square) / of_mean)

    optimizer.update_step, optimizer._backend_update_step = update_step, update


def decay_at_one_rate(optimizer: keras.optimizers.Optimizer) -> None:
    """Makes weight decay ask for the learning rate, and multiply it by the decay, once."""

    def decay(variables: Sequence[keras.Variable]) -> None:
        if optimizer.weight_decay is None:
            return

        def of_one(variable: Any, rate: Any) -> None:
            if optimizer._use_weight_decay(variable):
                variable.assign_sub(variable * rate)

        def of_all(distribution: Any, rate: Any) -> None:
            for variable in variables:
                distribution.extended.update(variable.value, of_one, args=(rate,), group=False)

        rate = tf.cast(optimizer.learning_rate, tf.float32) * optimizer.weight_decay
        tf.__internal__.distribute.interim.maybe_merge_call(
            of_all, optimizer._distribution_strategy, rate
        )

    optimizer._apply_weight_decay = decay

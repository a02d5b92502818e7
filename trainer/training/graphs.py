"""Graphs that run as they were traced, so that the first step comes sooner."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

_OFF = "disable_meta_optimizer"


@contextlib.contextmanager
def as_traced(replicas: int = 1) -> Iterator[None]:
    """On a processor, leaves out what TensorFlow rewrites in a graph before its first call.

    That (Grappler) took a tenth to a fifth of the time to a network's first step, and steps were no
    faster for it: the layers here name the kernels that they want. GPUs keep it, for its layouts,
    and several replicas, which wait for each other for ever without it (seen with 4 in 2.21).
    """
    if replicas > 1 or tf.config.list_logical_devices("GPU"):
        yield
        return
    before = tf.config.optimizer.get_experimental_options().get(_OFF, False)
    tf.config.optimizer.set_experimental_options({_OFF: True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({_OFF: before})

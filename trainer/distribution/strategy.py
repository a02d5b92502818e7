"""The tf.distribute strategy and the device settings, from options."""

import functools
import os

import keras
import tensorflow as tf

from tfrecords_schema.errors import UserError
from tfrecords_schema.flushing import want
from trainer.distribution.cluster import Resolver, connect, count_workers, find_cluster
from trainer.options.options import RunOptions


def configure(options: RunOptions) -> None:
    """Applies process-wide settings; must run before TensorFlow uses a device."""
    want(options.durable)
    if options.cpu_replicas > 1:
        _divide_cpu(options.cpu_replicas)
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    keras.utils.set_random_seed(options.seed)
    if options.deterministic:
        tf.config.experimental.enable_op_determinism()
    policy = {"float32": "float32", "bfloat16": "mixed_bfloat16"}[options.precision]
    keras.config.set_dtype_policy(policy)


def _divide_cpu(replicas: int) -> None:
    """Makes the CPU several devices.

    Raises:
      UserError: TensorFlow has begun to compute, as it may have in a notebook.
    """
    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        parts = [tf.config.LogicalDeviceConfiguration() for _ in range(replicas)]
        tf.config.set_logical_device_configuration(cpu, parts)
        # A collective blocks its thread until all replicas are there: with fewer threads than
        # replicas (the default is one per core) they wait for each other forever.
        tf.config.threading.set_inter_op_parallelism_threads(2 * replicas + 2)
    except RuntimeError as error:
        raise UserError(
            f"--cpu_replicas={replicas} after TensorFlow has begun to compute in this process; ask "
            "for it first, in a new process or after a restart of the kernel"
        ) from error


def make_strategy(options: RunOptions) -> tf.distribute.Strategy:
    """The strategy of `_strategy`, that takes every batch as it comes."""
    strategy = _strategy(options)
    # The plan has a batch for every replica in every step. Without this, all workers would ask
    # each other before every step whether one of them has reached the end of its data.
    strategy.extended.experimental_enable_get_next_as_optional = False
    return strategy


def _strategy(options: RunOptions) -> tf.distribute.Strategy:
    """The strategy that `--strategy` and `--cpu_replicas` name.

    Raises:
      UserError: if mirrored training is asked for without several devices, or training on
        several workers without a cluster.
    """
    resolver = _cluster(options)
    if resolver is not None:
        return connect(resolver, options.cpu_replicas)
    devices = _devices(options)
    if options.strategy == "one_device" or (options.strategy == "auto" and len(devices) < 2):
        return tf.distribute.get_strategy()
    if not devices:
        raise UserError(
            "--strategy=mirrored: no GPU was found; give --cpu_replicas=2 to try it on the CPU"
        )
    return _mirrored(*devices)


@functools.cache
def _mirrored(*devices: str) -> tf.distribute.Strategy:
    """The one strategy of these devices.

    A second one in a process would number its collectives from the beginning, and TensorFlow takes
    them for those of the first ("Shape mismatch in the collective instance").
    """
    return tf.distribute.MirroredStrategy(devices)


def _cluster(options: RunOptions) -> Resolver | None:
    """The cluster to train on; `auto` takes one of several workers that TF_CONFIG names."""
    if options.strategy not in ("auto", "multi_worker"):
        return None
    if options.strategy == "auto" and "TF_CONFIG" not in os.environ:
        return None
    resolver = find_cluster()
    if options.strategy == "auto":
        return resolver if resolver and count_workers(resolver) > 1 else None
    if resolver is None:
        raise UserError(
            "--strategy=multi_worker: neither TF_CONFIG nor SLURM's variables name the workers; "
            "start them with `srun`, or on this machine with `python -m trainer.launch --workers=2`"
        )
    return resolver


def _devices(options: RunOptions) -> list[str]:
    if options.cpu_replicas:
        return [f"CPU:{number}" for number in range(options.cpu_replicas)]
    return [f"GPU:{number}" for number, _ in enumerate(tf.config.list_logical_devices("GPU"))]

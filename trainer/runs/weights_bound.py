"""A network is built no larger than the weights that lie in its run folder.

What a handed folder says of it may be anything: a step of a hundred million values, or as many
units, takes gigabytes before the weights turn out to be of another network.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tfrecords_schema.names import join
from tfrecords_schema.places import gfile
from tfrecords_schema.storage import names_in
from trainer.runs.checkpoints import CheckpointError

# What a network has besides while it is built: tables that are not kept, a backbone's own weights.
_TIMES, _MORE_BYTES = 2, 64 << 20


@contextlib.contextmanager
def no_larger_than_weights(run_dir: str, replicas: int = 1) -> Iterator[None]:
    """Within it, variables may be made of about as many bytes as the largest archive has.

    Args:
      run_dir: the run folder.
      replicas: each of which has the variables.

    Raises:
      CheckpointError: there are more, before memory is taken for the first of them.
    """
    largest, taken = _largest_archive_bytes(run_dir), 0.0
    most = replicas * (_TIMES * largest + _MORE_BYTES)

    def counted(make: Callable[..., Any], **kwargs: Any) -> Any:
        nonlocal taken
        taken += _bytes(kwargs["initial_value"])
        if taken > most:
            raise CheckpointError(
                f"{run_dir}: the network that its config.flags and schema.json describe has more "
                f"than {int(taken):,} bytes of weights, the largest archive of the folder "
                f"has {largest:,}; copy the run folder again, or do not use it"
            )
        return make(**kwargs)

    with tf.variable_creator_scope(counted):
        yield


def _bytes(initial_value: Any) -> float:
    """Of a value, or of what a function returns, which is not computed for that."""
    if callable(initial_value):
        with tf.__internal__.FuncGraph("shape").as_default():
            initial_value = initial_value()
    if not hasattr(initial_value, "dtype"):  # A number of Python's.
        initial_value = np.asarray(initial_value)
    dtype = tf.as_dtype(initial_value.dtype)
    return float(np.prod(initial_value.shape, dtype=float) * dtype.size)


def _largest_archive_bytes(run_dir: str) -> int:
    folders = [join(run_dir, "best")]
    checkpoints = join(run_dir, "checkpoints")
    folders += [join(checkpoints, name) for name in names_in(checkpoints)]
    archives = [
        join(folder, name)
        for folder in folders
        for name in names_in(folder)
        if name.startswith("model") and ".npz" in name
    ]
    return max((gfile.stat(path).length for path in archives), default=0)

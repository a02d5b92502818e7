"""The least of a training: one layer over the values of a step, and no graph that is traced.

For scripts that count what comes of hundreds of commands, which read and write the same files
whatever is trained.
"""

import tensorflow as tf

TINY_MODEL = (
    "--model=signal", "--conv_filters=", "--conv_strides=", "--rnn_cell=none",
    "--record_pooling=mean", "--step_dense_units=4",
)  # fmt: skip


def trace_nothing() -> None:
    """Runs functions of TensorFlow as Python, which takes small models a fraction of the time."""
    tf.config.run_functions_eagerly(True)

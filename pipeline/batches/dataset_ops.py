"""What the ops below tf.data can do and its Python classes do not offer."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

# A record is read in one piece, so a buffer would only be copied from: records of 60 bytes are
# read at the same rate with 4 kB, those of 480 kB a tenth faster than with 256 kB.
_UNBUFFERED_BYTES = 0


def read_record(path: tf.Tensor, offset: tf.Tensor, otherwise: tf.data.Dataset) -> tf.Tensor:
    """Reads one record of a shard at its offset; only inside a function that tf.data calls.

    Args:
      path: [1] string, the shard; or [0] for no record, nothing is read then.
      offset: [1] or [0] int64, the byte at which the record's framing begins.
      otherwise: dataset of one string, made outside of the function, for a record that is not
        there or cannot be read. The caller must look for it and name the place: TensorFlow's own
        error does not. What that says is logged as a warning.

    Returns:
      Scalar string, the serialized record; its checksum was right.
    """
    # tf.data.TFRecordDataset takes no offsets; the op below it does. A dataset of that op cannot be
    # iterated from Python, nor reduced: TensorFlow 2.21 serializes it without its offsets ("3
    # inputs specified of 4 inputs"). As part of a function it is never serialized.
    variant = tf.raw_ops.TFRecordDatasetV2(
        filenames=path,
        compression_type="",
        buffer_size=tf.constant(_UNBUFFERED_BYTES, tf.int64),
        byte_offsets=offset,
        metadata="",
    )
    records = tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.string))
    # A shard that cannot be opened is tried again for ever: the op goes on to the next file after
    # any error but that one. Beside one element it is asked once, as all of a zip move on together.
    readable = tf.data.Dataset.zip((otherwise, records)).ignore_errors(log_warning=True)
    none = tf.data.Dataset.zip((otherwise, otherwise))
    return readable.concatenate(none).take(1).get_single_element()[1]


def serial_map(dataset: tf.data.Dataset, function: Callable[..., Any]) -> tf.data.Dataset:
    """`dataset.map(function)`, all of it run by the thread that asks for an element.

    `Dataset.map` hands the function of every element to a pool of threads and waits for it; what
    reads a nested dataset goes on to another pool. For a record of 60 bytes that took as long as
    all the rest, and one of 480 kB had left the core's cache. TensorFlow has an attribute
    against it, which `Dataset.map` does not offer.

    Args:
      dataset: of any elements.
      function: as for `Dataset.map`; without control flow of Python on tensors.

    Returns:
      A dataset of what `function` returns: tensors, or dicts or tuples of them.
    """
    spec = dataset.element_spec
    arguments = spec if isinstance(spec, tuple) else (spec,)
    concrete = tf.function(function, autograph=False).get_concrete_function(*arguments)
    element_spec = tf.nest.map_structure(
        lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype), concrete.structured_outputs
    )
    flat_spec = tf.nest.flatten(element_spec)
    variant = tf.raw_ops.MapDataset(
        input_dataset=tf.data.experimental.to_variant(dataset),
        other_arguments=concrete.captured_inputs,
        f=concrete,
        output_types=[tensor.dtype for tensor in flat_spec],
        output_shapes=[tensor.shape for tensor in flat_spec],
        use_inter_op_parallelism=False,
        preserve_cardinality=True,
    )
    return tf.data.experimental.from_variant(variant, element_spec)

"""Stock tf.data input of variable-length records: parse, `bucket_by_sequence_length`, pad."""

import numpy as np
import tensorflow as tf


def bucketed_batches(
    paths: list[str],
    step_shape: tuple[int, ...],
    boundaries: list[int],
    batch_size: int,
    per: str = "step",
) -> tf.data.Dataset:
    """Batches of `(signal, label)` in the order of the files, without any shuffle.

    Args:
        paths: of TFRecord shards whose records have a float32 `signal` and an int64 `label`.
        step_shape: shape of one time step.
        boundaries: greatest length of each bucket but the last.
        batch_size: records of a batch.
        per: "step" where labels are bytes of one int64 a step, "record" where they are one int64.
    """
    values = int(np.prod(step_shape))
    label_type = tf.string if per == "step" else tf.int64

    def parse(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        raw = tf.io.parse_single_example(
            serialized,
            {
                "signal": tf.io.FixedLenFeature([], tf.string),
                "label": tf.io.FixedLenFeature([], label_type),
            },
        )
        signal = tf.io.decode_raw(raw["signal"], tf.float32)
        signal = tf.reshape(signal, [tf.size(signal) // values, *step_shape])
        label = tf.io.decode_raw(raw["label"], tf.int64) if per == "step" else raw["label"]
        return signal, label

    records = tf.data.TFRecordDataset(paths).map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    batches = records.bucket_by_sequence_length(
        lambda signal, label: tf.shape(signal)[0],
        bucket_boundaries=[boundary + 1 for boundary in boundaries],
        bucket_batch_sizes=[batch_size] * (len(boundaries) + 1),
    )
    return batches.prefetch(tf.data.AUTOTUNE)

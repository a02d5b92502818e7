"""From raw folders to TFRecord datasets (Beam), and from those to padded batches (tf.data)."""

"""From raw folders to TFRecord datasets (Beam), and from those to padded batches (tf.data).

Commands stand here: `python -m pipeline`, `.inspect`, `.verify`, `.generate`. The rooms, from the
bottom up: `console`, `batches`, `sources`, `doubts`, `conversion`, `inspect`; each imports only
from those before it and from `tfrecords_schema`. Begin with `__main__`, then `conversion/job.py`.
"""

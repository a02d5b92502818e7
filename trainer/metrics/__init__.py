"""What is measured, one metric a file: a new metric is a new file here, and no other change.

Imports no other room of the trainer, and TensorFlow only to compute: help shows the metrics before
it is loaded. Begin with `metric.py`, which says what such a file declares; `table.py` finds them.
"""

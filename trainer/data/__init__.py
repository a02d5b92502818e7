"""From a dataset or a raw folder to the batches of a run.

Imports `distribution`, `options` and `step`. Begin with `split_data.py`.
"""

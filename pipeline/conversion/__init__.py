"""The Beam job: describe, split, write shards, commit.

Imports `console`, `batches` and `sources`. Begin with `job.py`, which reads top to bottom.
"""

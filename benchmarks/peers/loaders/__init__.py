"""Loaders and file formats of other projects, for processes in an environment that has them.

A module has `write`, from recordings to a tool's files, and `batches`, from these to padded batches
in a new order each time. Begin with `worker.py`; `ours.py` runs where the project does.
"""

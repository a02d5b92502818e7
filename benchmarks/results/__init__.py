"""What makes the results, tables, pictures and pages of README and docs.

Data sets from public recordings, trainings over folds and seeds, tables of padding and balance.
Begin with `watch_recordings.py`, the input of `make demo`.
"""

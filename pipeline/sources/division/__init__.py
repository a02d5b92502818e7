"""The division of groups into splits: by their hash, by classes, or as an earlier dataset has them.

Imports what stands in `sources` beside it; begin with `group_splits.py`.
"""

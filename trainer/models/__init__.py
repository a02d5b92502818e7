"""Models: one family a file, with its options, its checks and its source.

Imports `layers`, `options` and `step`. Begin with `family.py`: what a family has to offer, and the
table that finds them by themselves.
"""

"""Labels, groups and splits that stand outside the recordings: in a table, or in the path.

Imports what stands in `sources`; begin with `source.py`, which puts them in front of any kind.
"""

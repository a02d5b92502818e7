"""Raw folders: one file a kind, and what they share: files, labels, groups, splits, limits.

Imports `console` and `batches`; never Beam. Begin with `source.py`, the protocol of a kind.
"""

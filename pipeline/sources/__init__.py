"""Raw folders: one file a kind in `kinds/`, and what they share: files, labels, groups, splits.

Imports `console` and `batches`; never Beam. Begin with `source.py`, the protocol of a kind.
"""

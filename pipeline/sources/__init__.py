"""Raw folders: one file a kind in `kinds/`, and what they share: files, labels, groups, splits.

`recordings/` is what kinds of continuous recordings share, `outside/` labels in tables and paths,
`frames/` what kinds of images share, `guessing/` what a folder probably is.
Imports `console` and `batches`; never Beam. Begin with `source.py`, the protocol of a kind.
"""

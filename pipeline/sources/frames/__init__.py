"""What kinds whose steps are images share: options, names of files, headers, decoding.

Imports what stands in `sources` beside it; begin with `header.py`, which all of them describe by.
"""

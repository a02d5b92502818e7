"""What kinds of continuous recordings share: libraries, channels, rates, sections, annotations.

Imports what stands in `sources` beside it; begin with `source.py`, from which such kinds derive.
"""

"""Gaps: NaN, infinity and time without samples, and what becomes of recordings that have some.

Imports what stands in `sources` beside it; begin with `options.py`, which has the one rule.
"""

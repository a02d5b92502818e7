"""Many runs on one dataset: folds and seeds, what they come to, and which of two is better.

Imports the rooms below. Begin with `folds.py`, which divides, and `pooled.py`, which sums up.
"""

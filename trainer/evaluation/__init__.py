"""Predictions of a split and the figures that they come to.

Imports `data`, `runs`, `step`. Begin with `evaluation.py`.
"""

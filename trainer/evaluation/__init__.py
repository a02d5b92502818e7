"""Predictions of a split and the figures that they come to.

Imports `data`, `metrics`, `runs`, `step`. Begin with `evaluation.py`.
"""

"""What all measurements share: rows and medians, worker processes, kills, sets of recordings.

Begin with `measure.py`.
"""

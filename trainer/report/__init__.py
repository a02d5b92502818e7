"""The page of a run and its figures, from what the run left in its folder.

Imports `evaluation` and `metrics`. Begin with `report.py`.
"""

"""The page of a run and its figures, from what the run left in its folder.

Imports no other room of the trainer. Begin with `report.py`.
"""

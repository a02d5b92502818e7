"""What must hold of a model, shown on the model itself: properties of the design by their numbers.

Imports the rooms below. Begin with `model_checks.py`.
"""

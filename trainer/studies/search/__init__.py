"""A search over options of the trainer, by Optuna: what is tried, and what that comes to.

Imports what `studies` does. Begin with `space.py`, then `trials.py`.
"""

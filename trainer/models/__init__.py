"""Keras functional models with inputs `signal` (or `frames`) and `lengths`, returning logits."""

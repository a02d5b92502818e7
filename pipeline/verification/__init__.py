"""Proof that a dataset folder is whole: that files, manifest, index and records say the same.

Imports the room `batches`. Begin with `verify.py`.
"""

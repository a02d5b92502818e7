"""Prediction on recordings that were never converted, and export.

Imports the rooms below. Begin with `inference.py`.
"""

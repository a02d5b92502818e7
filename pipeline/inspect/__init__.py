"""`python -m pipeline.inspect`: facts about a dataset, as text and as a page.

Imports `console`, `batches` and `sources`. Begin with `facts.py`, which says what is known.
"""

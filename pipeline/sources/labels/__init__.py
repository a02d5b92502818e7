"""Labels of a set: how one fits its signal, what is missing, what records hold of it.

`sources/label_kinds.py` decides on their kind. Imports what stands in `sources`; begin with
`fits.py`.
"""

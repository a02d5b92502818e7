"""What speaks against a dataset as it is divided, said wherever somebody could still mend it.

Imports `console`. Begin with `division.py`.
"""

"""Models, one family a file, and the options of each.

Imports `layers` and `options`. Begin with `build.py`.
"""

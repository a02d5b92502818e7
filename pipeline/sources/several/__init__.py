"""Several arrays as one signal, and values of a whole recording beside its signals.

Imports what stands in `sources` and in `recordings` beside it. Begin with `joint.py`.
"""

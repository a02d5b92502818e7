"""The training: loop, optimizer, callbacks, what stops it.

Imports all rooms below it but `evaluation`. Begin with `loop.py`.
"""

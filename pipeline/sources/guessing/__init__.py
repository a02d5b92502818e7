"""What a folder of recordings probably is: its kind, rates, channels, labels and groups.

Imports all of `sources` beside it; begin with `guess.py`.
"""

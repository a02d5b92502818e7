"""What can be asked of a training, and how a process ends.

Imports no other room of the trainer. Begin with `options.py`.
"""

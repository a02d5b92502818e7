"""What is learnt from one batch: the task's losses, and the step on all replicas.

Imports `metrics`. Begin with `task.py`.
"""

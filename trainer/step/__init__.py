"""What is learnt from one batch: the task's losses, and the step on all replicas.

Imports `options`. Begin with `task.py`.
"""

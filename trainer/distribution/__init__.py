"""Replicas and workers: strategies, the cluster, what happens when a worker is lost.

Imports `options`. Begin with `strategy.py`.
"""

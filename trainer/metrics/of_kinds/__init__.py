"""Metrics of one kind of labels alone: any number of classes at once, classes with an order.

Imports what stands in `metrics`, which finds them here as there.
"""

"""Kills, full disks, flipped bits and inputs that mean harm, each counted with its consequences.

A script has a seed, prints a table and exits with 1 after a violation; docs/robustness.md has the
counts, and small versions run in the tests. Begin with `conversion_kills.py`.
"""

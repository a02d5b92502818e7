"""Where files are: local disks, TensorFlow's file systems, and object stores through fsspec.

Imports no other room, nor what stands above it. Begin with `gfile.py`.
"""

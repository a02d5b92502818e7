"""What ours is measured against, each with the public API of its library.

`*_worker.py` and `conversions.py` are processes, which a section of `benchmarks.speed` starts.
Begin with `signal_worker.py`.
"""

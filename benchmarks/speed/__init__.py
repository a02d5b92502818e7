"""Time and memory, ours beside that of peers: the sections of `python -m benchmarks`.

A section is a module whose `run` returns rows. Begin with `step.py`; `*_worker.py` are processes
that a section starts, `conversion_memory.py` and `two_workers.py` are commands of their own.
"""

from pipeline.console import quiet

quiet.start(gpu=True)  # Every module here is a command, or a part of one.

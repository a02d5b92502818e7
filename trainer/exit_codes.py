"""What the exit status of `python -m trainer` says."""

STOPPED = 75
"""Asked to stop by SIGTERM; a checkpoint was written and the same command goes on from it."""

LOST_WORKER = 69
"""Another worker ended or hangs; the same command on all workers goes on from the checkpoint."""

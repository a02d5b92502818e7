"""What the exit status of a command says; the last three are those of `python -m trainer`."""

OK = 0
"""All is done."""

ERROR = 1
"""The data, the run folder or the disk is not as needed; the message says what to do."""

USAGE = 2
"""The command line makes no sense; nothing was read or written."""

INTERRUPTED = 130
"""Ctrl-C; the same command goes on where it was."""

DIVERGED = 65
"""NaN or infinity in the training; no checkpoint of it was written, the last good one is whole."""

LOST_WORKER = 69
"""Another worker ended or hangs; the same command on all workers goes on from the checkpoint."""

STOPPED = 75
"""Asked to stop by SIGTERM; a checkpoint was written and the same command goes on from it."""

"""Threads within an operation, where networks or processes keep all cores busy by themselves.

TensorFlow divides each operation among all cores and waits for the slowest part. A small network
has thousands of operations that are done before a core has woken up for its part.
"""

import os

import tensorflow as tf

_SWITCH = "TF_NUM_INTRAOP_THREADS"  # TensorFlow reads it as it begins to compute.


def share_cores(networks: int) -> str:
    """Leaves operations undivided if so many networks, side by side, occupy the cores anyway.

    Must run before TensorFlow computes anything; afterwards, all stays as it is.

    Args:
      networks: that are independent of each other, and whose operations are small.

    Returns:
      What was decided, in a line; empty where it is left to TensorFlow, or to who has set
      TF_NUM_INTRAOP_THREADS.
    """
    if not _fill_the_cores(networks):
        return ""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
    except RuntimeError:  # It computes already, as it may in a notebook.
        return ""
    return (
        f"one thread for each operation  ({networks} networks side by side on {_cores()} processor "
        f"cores; {_SWITCH}=0 leaves it to TensorFlow)"
    )


def of_each_process(processes: int) -> dict[str, str]:
    """What processes that compute side by side get into their environment."""
    return {_SWITCH: "1"} if _fill_the_cores(processes) else {}


def _fill_the_cores(count: int) -> bool:
    """Whether so many at the same time leave no core idle, and nobody has decided otherwise."""
    is_given = _SWITCH in os.environ or tf.config.list_physical_devices("GPU")
    return 1 < _cores() <= count and not is_given


def _cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

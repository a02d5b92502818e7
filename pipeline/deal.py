"""Dealing the rows of a global batch out to replicas, with about as many valid steps each."""

import numpy as np


def deal(lengths: np.ndarray, num_replicas: int) -> list[np.ndarray]:
    """Deals the rows of one global batch out.

    In rounds: the next longest rows, one a replica, the longest of them to the replica that has
    the fewest steps so far. So replicas differ by at most one row, and by at most as many valid
    steps as the longest row has.

    Args:
      lengths: [rows] valid steps.
      num_replicas: at least 1.

    Returns:
      Per replica the positions of its rows in `lengths`, ascending; empty where there are fewer
      rows than replicas.
    """
    lengths = np.asarray(lengths)
    replica = deal_steps(lengths, np.array([0, len(lengths)]), num_replicas)
    return [np.flatnonzero(replica == number) for number in range(num_replicas)]


def deal_steps(lengths: np.ndarray, starts: np.ndarray, num_replicas: int) -> np.ndarray:
    """Deals many global batches out, each as `deal` does.

    Args:
      lengths: [rows] valid steps, batch after batch.
      starts: [batches + 1] where each batch begins.
      num_replicas: at least 1.

    Returns:
      [rows] int32, the replica of each row.

    Raises:
      ValueError: `num_replicas` is below 1.
    """
    if num_replicas < 1:
        raise ValueError(f"num_replicas is {num_replicas}; it must be at least 1.")
    if num_replicas == 1:
        return np.zeros(len(lengths), np.int32)
    sizes = np.diff(starts)
    batch = np.repeat(np.arange(len(sizes)), sizes)
    longest_first = np.lexsort((-lengths.astype(np.int64), batch))
    replica = np.zeros(len(lengths), np.int32)
    loads = np.zeros([len(sizes), num_replicas], np.int64)
    for dealt in range(0, int(sizes.max(initial=0)), num_replicas):
        unfinished = np.flatnonzero(sizes > dealt)
        place = dealt + np.arange(num_replicas) + np.zeros([len(unfinished), 1], np.int64)
        is_row = place < sizes[unfinished, None]
        rows = longest_first[(starts[unfinished, None] + place)[is_row]]
        least_loaded = np.argsort(loads[unfinished], axis=1, kind="stable")
        replica[rows] = least_loaded[is_row]
        np.add.at(loads, (batch[rows], replica[rows]), lengths[rows])
    return replica

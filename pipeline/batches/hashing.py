"""Random 64-bit numbers that are the same on every machine and in every NumPy version.

`numpy.random` promises no fixed stream for `permutation`; a training that is resumed after an
upgrade must still find its plan.
"""

import numpy as np

_MASK = 0xFFFF_FFFF_FFFF_FFFF


def splitmix64(values: np.ndarray) -> np.ndarray:
    """Mixes uint64 numbers, one to one (Steele, Lea, Flood 2014, "Fast splittable PRNGs")."""
    with np.errstate(over="ignore"):
        mixed = values + np.uint64(0x9E37_79B9_7F4A_7C15)
        mixed ^= mixed >> np.uint64(30)
        mixed *= np.uint64(0xBF58_476D_1CE4_E5B9)
        mixed ^= mixed >> np.uint64(27)
        mixed *= np.uint64(0x94D0_49BB_1331_11EB)
        mixed ^= mixed >> np.uint64(31)
        return mixed


def permutation(count: int, *key: int) -> np.ndarray:
    """A random order of `range(count)` that depends on the integers of `key` alone: int64.

    The hashes are those of distinct numbers, so no two are equal and any sort gives this order.
    """
    state = np.zeros(1, np.uint64)
    for part in key:
        state = splitmix64(state ^ np.uint64(part & _MASK))
    with np.errstate(over="ignore"):
        return np.argsort(splitmix64(np.arange(count, dtype=np.uint64) + state))

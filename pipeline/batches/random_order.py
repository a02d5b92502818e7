"""A random order of very many numbers that no upgrade changes.

Made a block at a time, which stays in the processor's cache, and of 32-bit numbers.
"""

import numpy as np

_BLOCK = 1 << 20
_UINT64_MASK = 0xFFFF_FFFF_FFFF_FFFF


def permutation(count: int, *key: int, groups: np.ndarray | None = None) -> np.ndarray:
    """A random order of `range(count)` that depends on the integers of `key` alone: int32.

    `numpy.random` promises no fixed stream for `permutation`, and a training that is resumed after
    an upgrade must still find its plan. These are hashes of distinct numbers, the same on every
    machine; no two are equal, so any sort gives this order.

    Args:
      count: how many numbers.
      *key: any integers.
      groups: [count] uint16, or None. Numbers of group 0 come first, each group in the order that
        the whole would have.
    """
    state = np.zeros(1, np.uint64)
    for number in key:
        state = splitmix64(state ^ np.uint64(number & _UINT64_MASK))
    most = 0 if groups is None else int(groups.max(initial=0))
    # Numbers are parted by group and highest bits of the hash first, then each part is sorted.
    bits = min((count // _BLOCK).bit_length(), 16 - most.bit_length())
    parts = np.zeros(count, np.uint16)
    for block in blocks(count):
        numbers = np.arange(block.start, block.stop, dtype=np.uint64)
        if bits:
            parts[block] = _hashes(numbers, state) >> np.uint64(64 - bits)
        if groups is not None:
            parts[block] |= groups[block] << bits
    counts = np.bincount(parts, minlength=1)
    order, ends = _in_order(parts, counts), np.cumsum(counts)
    for number in np.flatnonzero(counts).tolist():
        part = order[ends[number] - counts[number] : ends[number]]
        part[:] = part[np.argsort(_hashes(part, state))]
    return order


def _in_order(keys: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """What a stable argsort gives, in int32: `[keys]`.

    Args:
      keys: integers of 16 bits, which NumPy sorts by radix.
      counts: how many there are of each.
    """
    found = np.empty(len(keys), np.int32)
    places = np.cumsum(counts) - counts
    for block in blocks(len(keys)):
        of_block = np.bincount(keys[block], minlength=len(counts))
        starts = np.cumsum(of_block) - of_block
        order = np.argsort(keys[block], kind="stable")
        found[np.arange(len(order)) + np.repeat(places - starts, of_block)] = order + block.start
        places = places + of_block
    return found


def stable_order(numbers: np.ndarray) -> np.ndarray:
    """The stable argsort of numbers of at least 0; small ones are sorted by radix, in no time."""
    narrow = np.min_scalar_type(numbers.max(initial=0))
    return np.argsort(numbers.astype(narrow), kind="stable")


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


def blocks(count: int) -> list[slice]:
    """Slices of `range(count)`, each small enough for the cache."""
    return [slice(start, min(start + _BLOCK, count)) for start in range(0, count, _BLOCK)]


def _hashes(numbers: np.ndarray, state: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return splitmix64(numbers.astype(np.uint64) + state)

"""Batches of random numbers, the same for all that are measured on them. Needs NumPy alone."""

import numpy as np

CLASSES = 8
# Of a turn: a small network's update alone is too short to be measured.
UPDATES = 3
_ANSWERS = 30
# Records and their most steps.
_SIGNALS, _FRAMES = (16, 512, (1,)), (8, 16, (120, 160, 3))


def random_batch(model: str, half_padding: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a network trains on.

    Args:
      model: name of its family.
      half_padding: whether lengths go from one to the most steps, or all are the longest.

    Returns:
      Padded `[records, steps, *step_shape]`, zeros behind the end: float32 signals of one channel,
      or uint8 frames; labels and lengths `[records] int64`.
    """
    records, steps, shape = _FRAMES if model == "video" else _SIGNALS
    random = np.random.default_rng(0)
    lengths = np.full(records, steps)
    if half_padding:
        lengths = np.linspace(1, steps, records).round().astype(np.int64)
    if model == "video":
        signal = random.integers(0, 256, (records, steps, *shape), np.uint8)
    else:
        signal = random.standard_normal((records, steps, *shape), np.float32)
    signal[np.arange(steps) >= lengths[:, np.newaxis]] = 0
    return signal, random.integers(0, CLASSES, records), lengths


def work_batch(model: str, half_padding: bool, work: str) -> tuple[np.ndarray, ...]:
    """What `random_batch` returns; for `latency` one record of half the longest alone."""
    found = random_batch(model, half_padding)
    if work != "latency":
        return found
    signal, labels, lengths = (part[:1] for part in found)
    return signal[:, : signal.shape[1] // 2], labels, lengths * 0 + signal.shape[1] // 2


def repeats(work: str) -> int:
    """How often a worker does its work in a turn."""
    return _ANSWERS if work == "latency" else UPDATES

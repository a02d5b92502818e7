"""The temperature that makes the labels of a split likeliest (arXiv 1706.04599, section 4.2)."""

from collections.abc import Iterator

import numpy as np

_VALUES_AT_ONCE = 4_000_000
_PRECISION = 1e-12
_MOST_STEPS = 200


def fit_temperature(logits: np.ndarray, label: np.ndarray) -> float:
    """Minimizes the mean negative log likelihood over the inverse temperature, where it is convex.

    Newton's method within a bracket, which halves where a step would leave it.

    Args:
      logits: `[n, classes]`, finite; what their softmax does not depend on does not matter.
      label: `[n]` true classes.

    Raises:
      ValueError: there is no least one; the message says why.
    """
    if (logits.argmax(-1) == label).all():
        raise ValueError("every label of it is right, so the likeliest temperature would be 0")
    if _slope(logits, label, 0.0)[0] >= 0:
        raise ValueError("the scores say less of its labels than equal ones would")
    low, high = 0.0, 1.0
    while _slope(logits, label, high)[0] < 0:
        low, high = high, 2 * high
    inverse = (low + high) / 2
    for _ in range(_MOST_STEPS):
        slope, bend = _slope(logits, label, inverse)
        low, high = (inverse, high) if slope < 0 else (low, inverse)
        step = inverse - slope / bend if bend > 0 else low
        following = step if low < step < high else (low + high) / 2
        if abs(following - inverse) <= _PRECISION * inverse:
            break
        inverse = following
    return float(1 / following)


def without_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """The probabilities `[n, classes]` that a temperature was applied to, float32."""
    found = np.empty_like(probabilities)
    for rows in _parts(probabilities):
        with np.errstate(divide="ignore"):  # What is 0 stays so.
            logs = temperature * np.log(probabilities[rows], dtype=np.float64)
        powers = np.exp(logs - logs.max(-1, keepdims=True))
        found[rows] = powers / powers.sum(-1, keepdims=True)
    return found


def _slope(logits: np.ndarray, label: np.ndarray, inverse: float) -> tuple[float, float]:
    """First and second derivative of the mean negative log likelihood."""
    slope = bend = 0.0
    for rows in _parts(logits):
        z = logits[rows].astype(np.float64)
        z -= z.max(-1, keepdims=True)
        weights = np.exp(inverse * z)
        weights /= weights.sum(-1, keepdims=True)
        mean = (weights * z).sum(-1)
        slope += float((mean - z[np.arange(len(z)), label[rows]]).sum())
        bend += float((weights * (z - mean[:, np.newaxis]) ** 2).sum())
    return slope / len(label), bend / len(label)


def _parts(table: np.ndarray) -> Iterator[slice]:
    """Rows to look at together, so that memory is bounded."""
    size = max(1, _VALUES_AT_ONCE // table.shape[1])
    return (slice(begin, begin + size) for begin in range(0, len(table), size))
